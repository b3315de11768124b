"""What a training does for classes that its model does not know by name."""
