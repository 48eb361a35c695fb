"""Benchmarks: what was measured, on what, and a ratio to a reference of the same run. Not tests."""
