"""Charts of how alike boxes are."""
