"""The street scenes of the built-in data set, drawn by code: `scenery.draw_scene` is what others call."""
