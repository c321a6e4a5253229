"""What to try and what to copy: a function with its checks, and the demo."""
