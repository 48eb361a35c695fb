"""Owns the listeners' profiles as the feed tells them, and answers with what to hear next and why."""
