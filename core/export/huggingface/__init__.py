"""A trained model for the Hugging Face hub: its folder, its model card, and the way there."""
