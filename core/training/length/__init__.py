"""How long a training is: by epochs, or by minutes, and when it ends early."""
