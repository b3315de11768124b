"""A run's record, handed on to other experiment trackers and to notices by a process of its own."""
