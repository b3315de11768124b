"""What keeps many runs in order: tags, a search, saved views, and what a table and curves of all of them need."""
