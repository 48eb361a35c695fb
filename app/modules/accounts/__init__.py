"""Owns listeners, credentials, sessions, API tokens, roles, signing keys, invitations, preferences and the audit."""
