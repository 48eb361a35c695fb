"""The process `playlists`, for gunicorn."""

from app.wsgi import create_app

app = create_app("playlists")
