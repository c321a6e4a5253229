"""The embedded AWS of the demo, the tests and the benchmarks: MiniStack made strict.

`sandbox.client` is what the rest of the project imports; it needs nothing but the standard library. Everything else
here runs in the sandbox's own interpreter, next to MiniStack (see README.md).
"""
