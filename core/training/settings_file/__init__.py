"""A training's settings as a YAML file, and as a command line."""
