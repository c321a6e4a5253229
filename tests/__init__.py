"""Unit (no process, no network), integration (entrypoint.py against the sandbox), e2e (the image and act)."""
