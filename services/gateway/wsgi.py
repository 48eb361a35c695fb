"""The process `gateway`, for gunicorn."""

from app.composition import create_app

app = create_app("gateway")
