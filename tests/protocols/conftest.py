"""Requests as players send them: a listener with a token, on both topologies."""

import hashlib
import json as jsonlib
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from app.bench.system import Reply
from app.composition import Container
from app.kernel.context import acting_as
from tests.support.people import Person, new_person
from tests.support.stack import Stack

DAY = 86_400


def md5(said: str) -> str:
    return hashlib.md5(said.encode(), usedforsecurity=False).hexdigest()


@dataclass
class Player:
    """A listener's player: sends raw requests with or without its token."""

    stack: Stack
    person: Person
    token: str

    @property
    def name(self) -> str:
        return self.person.name

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "own",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", "Token " + (self.token if token == "own" else token))
        if body is not None and not isinstance(body, bytes):
            body = jsonlib.dumps(body).encode()
        return self.stack.request(method, path, headers=sent, body=body)

    def get(self, path: str, **more: Any) -> Reply:
        return self.send("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Reply:
        return self.send("POST", path, body, **more)

    def submit(self, *listens: dict[str, Any], kind: str = "import") -> Reply:
        return self.post("/1/submit-listens", {"listen_type": kind, "payload": list(listens)})

    def listens(self, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/1/user/{self.name}/listens?{query}").json["payload"]["listens"]
        return found

    def call(self, method: str, *, verb: str = "POST", as_json: bool = True, **parameters: Any) -> Reply:
        """Call a method of the web service 2.0; names with `__` stand for brackets: artist__0 is artist[0]."""
        given = {name.replace("__", "[") + ("]" if "__" in name else ""): v for name, v in parameters.items()}
        given = {"method": method, "api_key": "k" * 32, "api_sig": "0" * 32, **given}
        if as_json:
            given["format"] = "json"
        form = urlencode(given)
        if verb == "GET":
            return self.stack.request("GET", "/2.0/?" + form, headers={}, body=None)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.stack.request("POST", "/2.0/", headers=headers, body=form.encode())

    def session(self) -> str:
        key: str = self.call("auth.getMobileSession", username=self.name, password=self.token).json["session"]["key"]
        return key


def listen(at: int, title: str = "A Song", artist: str = "An Artist", **info: Any) -> dict[str, Any]:
    track = {"artist_name": artist, "track_name": title, "release_name": "A Release", "additional_info": info}
    return {"listened_at": at, "track_metadata": track}


def xml(reply: Reply) -> ElementTree.Element:
    return ElementTree.fromstring(reply.text)


@pytest.fixture
def player(stack: Stack, services: Container) -> Player:
    person = new_person(services)
    with acting_as(person.actor):
        issued = services.accounts.create_token(person.listener_id, "a player", ["read", "write", "scrobble"])
    return Player(stack, person, issued.token)


@pytest.fixture
def other(stack: Stack, services: Container) -> Player:
    person = new_person(services)
    with acting_as(person.actor):
        issued = services.accounts.create_token(person.listener_id, "another", ["read", "write", "scrobble"])
    return Player(stack, person, issued.token)


@pytest.fixture
def start() -> int:
    """A time that lies back far enough for everything."""
    return int(time.time()) - 10 * DAY
