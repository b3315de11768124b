"""What a run was made from: its data, as it was then, and the code and packages that were in use."""
