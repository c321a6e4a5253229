"""Benchmarks, which are not tests."""
