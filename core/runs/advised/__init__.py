"""What the doctor advises of a run, as a run that can be queued."""
