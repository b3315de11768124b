"""Applications of others on the pages, FiftyOne and TensorBoard: buttons that open, watch and end them."""
