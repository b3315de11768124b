"""A trained model as ONNX files: its graph, smaller variants of it, and what they cost in AP and time."""
