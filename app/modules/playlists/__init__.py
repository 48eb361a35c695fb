"""Owns playlists, made by hand or generated."""
