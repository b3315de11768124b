"""DETR Lab as an installed package: a launcher, and beside it in the wheel the whole project as `house/`."""
