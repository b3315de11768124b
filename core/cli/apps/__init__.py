"""Commands that open applications of others, FiftyOne and TensorBoard, until Ctrl-C."""
