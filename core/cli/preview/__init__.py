"""The command that shows what a training will see, before it begins."""
