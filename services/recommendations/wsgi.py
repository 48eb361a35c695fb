"""The process `recommendations`, for gunicorn."""

from app.composition import create_app

app = create_app("recommendations")
