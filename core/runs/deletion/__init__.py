"""What a store gets rid of: the folders of deleted runs, and what killed processes leave."""
