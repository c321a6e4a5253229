"""Release notes: the changes of an environment, or of a tag."""
