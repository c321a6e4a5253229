"""Measurements: run for people, never as tests."""
