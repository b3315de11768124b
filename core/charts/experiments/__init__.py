"""Experiments as charts: settings, folds or numbers of images against AP, with the spread of their runs."""
