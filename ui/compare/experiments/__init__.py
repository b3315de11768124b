"""Experiments on Compare: what their runs say together, while they run and after."""
