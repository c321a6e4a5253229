"""The steps of a release, in the order in which a run takes them."""
