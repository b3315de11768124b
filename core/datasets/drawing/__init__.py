"""Drawn scenes as files: `processes.draw_scenes` is what the demo data set calls, to draw on several cores."""
