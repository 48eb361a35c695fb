"""A pure library: recommenders, their evaluation, and the form in which they are stored. Knows nothing of Segue."""
