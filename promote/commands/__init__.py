"""One file per command; each reads like the protocol."""
