"""Release notes: what an environment has received, or what a tag contains, told to people."""
