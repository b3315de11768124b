"""The pictures of a run's losses in its folder."""
