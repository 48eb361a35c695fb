"""Any process of a topology file by its name: `gunicorn "services.process:app('name')"`."""

from flask import Flask

from app.wsgi import create_app


def app(name: str) -> Flask:
    return create_app(name)
