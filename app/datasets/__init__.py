"""Data to try Segue on: a generated demo, and readers of public data sets. Loading goes through the contracts."""
