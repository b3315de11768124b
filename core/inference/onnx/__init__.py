"""A model in an ONNX file: read through the lab's door, and asked like any other."""
