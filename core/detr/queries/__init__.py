"""What a training makes of a model's queries and of their targets, and an evaluation never sees."""
