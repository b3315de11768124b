"""What a run leaves for TensorBoard: curves, pictures, precision-recall curves and its settings."""
