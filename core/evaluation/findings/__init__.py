"""What the detection table tells: every number of the Results page, of the report and of the command line.

In: a table (`table.py`), classes and a score threshold. Out: frozen dataclasses of numbers. Nothing is evaluated anew,
nothing is drawn here: `charts/` shows what these rooms find.
"""
