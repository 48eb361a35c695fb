"""A contract for measuring bindings: one small struct, and a list of them."""

from typing import Protocol

from flask import Flask, Response, request
from msgspec import Struct

from app.kernel.context import ANONYMOUS, Actor
from app.kernel.contract import Access, compile_contract, query
from app.kernel.rpc import Dispatcher
from app.kernel.tokens import load_verifier
from app.settings import load


class Thing(Struct, frozen=True):
    number: int
    name: str
    label: str | None = None


class Echo(Protocol):
    @query(access=Access.PUBLIC)
    def get_thing(self, number: int) -> Thing:
        """A thing."""

    @query(access=Access.PUBLIC)
    def get_things(self, count: int) -> list[Thing]:
        """That many things."""


class EchoService:
    def get_thing(self, number: int) -> Thing:
        return Thing(number, "a thing of some name")

    def get_things(self, count: int) -> list[Thing]:
        return [Thing(n, "a thing of some name") for n in range(count)]


CONTRACT = compile_contract(Echo, "echo")


def dispatcher() -> Dispatcher:
    """Return the server side, with the checks that a module's process makes."""
    return Dispatcher(CONTRACT, EchoService(), load_verifier(load(), ["cli"]), _nobody)


def create_app() -> Flask:
    answer = dispatcher().answer
    app = Flask("echo")

    @app.post("/rpc/echo/<name>")
    def call(name: str) -> Response:
        status, body = answer(name, request.headers, request.get_data())
        return Response(body, status=status, content_type="application/json")

    return app


def _nobody(_token: str) -> Actor:
    return ANONYMOUS


__all__ = ["CONTRACT", "EchoService", "Thing", "create_app", "dispatcher"]
