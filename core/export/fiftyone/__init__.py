"""A run in FiftyOne: its pictures where they lie, boxes and marks as a dataset, and the script of a bundle."""
