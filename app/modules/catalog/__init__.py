"""Owns the names of artists, releases and recordings, their tags, and search. Holds nothing about persons."""
