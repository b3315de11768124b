"""Applications of others that are opened beside DETR Lab: FiftyOne and TensorBoard, each in a child process."""
