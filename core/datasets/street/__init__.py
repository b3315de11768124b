"""The street scenes of the built-in data set, drawn by code: `scenery.draw_scene` is what the rest of the house calls.

Each file imports only those above it in this order: pen, vehicles, figures, classes, backdrop, light, scenery.
"""
