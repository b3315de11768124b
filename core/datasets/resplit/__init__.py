"""Data sets made of the images of another one: folds for cross-validation, and nested shares of the training images."""
