"""The real code of promote, run by several at once in a simulated world; see docs/proof.md."""
