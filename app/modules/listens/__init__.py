"""Owns listens, imported play counts, love and hide, and statistics of them."""
