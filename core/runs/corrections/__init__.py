"""Corrections of labels: a journal in the run database, what it makes of an evaluation, and revisions of data sets."""
