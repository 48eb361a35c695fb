"""Puts the protocols into an application."""

from flask import Flask

from app.contracts.services import Services
from app.kernel.people import People
from app.protocols.addresses import Addresses
from app.protocols.audioscrobbler import submissions, web_service
from app.protocols.callers import Callers
from app.protocols.listenbrainz import views as listenbrainz

# They look after credentials themselves: tokens in their own forms, never cookies.
PREFIXES = ("/1/", "/2.0/", "/audioscrobbler/")


def install_protocols(app: Flask, services: Services, people: People, public_url: str) -> None:
    """Add the protocols' routes, and make every plausible address lead to them."""
    callers = Callers(services, people)
    public_url = public_url.rstrip("/")
    app.register_blueprint(listenbrainz.blueprint(services, callers, public_url))
    app.register_blueprint(web_service.blueprint(services, callers, public_url))
    app.register_blueprint(submissions.blueprint(services, callers))
    app.wsgi_app = Addresses(app.wsgi_app)  # type: ignore[method-assign]
