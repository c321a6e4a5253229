"""What the repository needs for itself."""
