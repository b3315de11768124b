"""What the pages need of Streamlit and the browser: what several share, by subject, and a folder for each page."""
