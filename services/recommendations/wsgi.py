"""The process `recommendations`, for gunicorn."""

from app.wsgi import create_app

app = create_app("recommendations")
