"""Protocols of players and scrobblers: each translates into calls of contracts, and keeps no data of its own."""
