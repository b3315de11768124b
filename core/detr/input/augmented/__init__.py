"""Looks applied: what a `Look` has drawn, done with the pixels, boxes and labels of an image."""
