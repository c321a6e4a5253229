"""The kinds of check, and one verdict from their results."""
