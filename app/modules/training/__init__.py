"""Owns snapshots, runs, models and which of them serves."""
