"""Segue: a music listening and recommendation service, one process or many."""

__version__ = "0.1.0"
