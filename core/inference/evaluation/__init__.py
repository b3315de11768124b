"""Any model evaluated on any images with labels, as a job of its own whose outcome is a run like all others."""
