"""The process `accounts`, for gunicorn."""

from app.wsgi import create_app

app = create_app("accounts")
