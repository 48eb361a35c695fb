"""Listeners for tests, each with a name of their own."""

import secrets
import time
from dataclasses import dataclass, replace
from uuid import UUID

import jwt

from app.contracts.services import Services
from app.kernel.context import ANONYMOUS, SYSTEM, Actor, acting_as

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Person:
    listener_id: UUID
    name: str
    password: str
    actor: Actor
    refresh_token: str

    @property
    def token(self) -> str:
        return self.actor.token


def fresh_name(prefix: str = "listener") -> str:
    return f"{prefix}-{secrets.token_hex(5)}"


def actor_of(access_token: str) -> Actor:
    """Read an access token that was just issued, without verifying it."""
    claims = jwt.decode(access_token, options={"verify_signature": False})
    return Actor(
        "person",
        listener_id=UUID(claims["sub"]),
        name=claims["name"],
        is_admin=claims["admin"],
        scopes=frozenset(claims["scopes"]),
        session_id=UUID(claims["sid"]),
        is_fresh=True,
        token=access_token,
    )


def with_time_left(services: Services, person: Person, least_s: int = 480) -> Person:
    """Return a person whose access token is good for some minutes more, signed in again where it is not."""
    ends_at = jwt.decode(person.token, options={"verify_signature": False})["exp"]
    if ends_at - time.time() > least_s:
        return person
    with acting_as(ANONYMOUS):
        tokens = services.accounts.login(person.name, person.password)
    return replace(person, actor=actor_of(tokens.access_token), refresh_token=tokens.refresh_token)


def new_person(services: Services, *, is_admin: bool = False, name: str = "") -> Person:
    """Create a listener and sign them in."""
    name = name or fresh_name("admin" if is_admin else "listener")
    with acting_as(SYSTEM):
        listener = services.accounts.create_listener(name, PASSWORD, is_admin)
    with acting_as(ANONYMOUS):
        tokens = services.accounts.login(name, PASSWORD)
    return Person(listener.listener_id, name, PASSWORD, actor_of(tokens.access_token), tokens.refresh_token)
