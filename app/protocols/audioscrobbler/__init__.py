"""The Audioscrobbler protocols: the web service 2.0 that Last.fm speaks, and the submissions protocol 1.2 before it."""
