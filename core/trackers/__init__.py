"""Where a training's record can be sent besides: other experiment trackers, and notices when a run ends."""
