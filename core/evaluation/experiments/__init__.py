"""What the runs of an experiment say together: which difference is more than noise, and what more images would give."""
