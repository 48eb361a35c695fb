"""Owns the names of artists, releases and recordings, their tags, search, and corrections; of persons only these."""
