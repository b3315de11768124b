"""Which boxes are alike, as the model sees them: the states of its queries, kept beside the detection table."""
