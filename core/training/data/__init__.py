"""What a training uses of its data set, and what it goes on without."""
