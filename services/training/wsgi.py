"""The process `training`, for gunicorn."""

from app.composition import create_app

app = create_app("training")
