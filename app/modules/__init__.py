"""The bounded contexts. Each knows the others by their contracts alone."""
