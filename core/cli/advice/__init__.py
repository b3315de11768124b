"""What the command line says and asks of settings: before a training, and of one that has begun."""
