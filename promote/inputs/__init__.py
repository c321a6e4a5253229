"""The action's inputs and ``promote.yml``, parsed and checked."""
