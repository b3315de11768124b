"""What is damaged in the run database: cells that do not hold what their column is for."""
