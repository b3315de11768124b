"""The page Runs: a table of all runs, what can be done with several at once, and their curves over each other."""
