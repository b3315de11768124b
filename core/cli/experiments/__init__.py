"""The commands about experiments: several runs at once."""
