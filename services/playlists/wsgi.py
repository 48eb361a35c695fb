"""The process `playlists`, for gunicorn."""

from app.composition import create_app

app = create_app("playlists")
