"""Charts that are drawn as pictures here, without a browser."""
