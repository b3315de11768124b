"""What the pages share and Streamlit needs: the server's parts, the two components, the pickers and the form."""
