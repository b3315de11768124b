"""Augmentation of training images: its kinds and its presets, for form, command line and data set alike."""
