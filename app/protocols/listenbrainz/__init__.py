"""ListenBrainz API v1, as players and scripts speak it: what it accepts, answers and refuses."""
