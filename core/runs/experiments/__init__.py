"""Experiments: runs that are queued together and belong together, of one of the `KINDS` of `kinds.py`."""
