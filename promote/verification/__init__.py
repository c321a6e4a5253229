"""The kinds of check, and the verdict that sums them up."""
