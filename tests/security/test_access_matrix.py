"""Who may call what: every method of every contract and every public route, for every kind of caller (lines 27, 28).

The cases are made from the contracts and the routes, so that a new one is covered the day it is written. Calls that
would be let through are left out: what they do is the modules' own tests' business.
"""

import re
import typing
from datetime import UTC, datetime
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID, uuid4

import msgspec
import pytest

from app.composition import MODULES, Container, api_of, contract_of
from app.kernel.context import ANONYMOUS, acting_as
from app.kernel.contract import Access, DomainError, Forbidden, Mark, Method, NotFound, Unauthenticated
from app.kernel.routes import Route
from tests.conftest import PublicApi
from tests.support.people import Person, actor_of, new_person

SCOPES = ("read", "write", "scrobble")
PARAMETER = re.compile(r"<(?:(\w+)(?:\(([^)]*)\))?:)?\w+>")


def an_example(of: Any) -> Any:
    """Return some value of a type, so that a call gets past decoding to the question of who may make it."""
    origin, args = get_origin(of), get_args(of)
    if origin is typing.Annotated:
        return an_example(args[0])
    if origin is Literal:
        return args[0]
    if origin in {Union, UnionType}:
        return None if type(None) in args else an_example(args[0])
    plain: dict[Any, Any] = {UUID: uuid4(), str: "x", int: 1, float: 0.5, bool: False, bytes: b"x", Any: "x"}
    plain[datetime] = datetime.now(UTC)
    if of in plain:
        return plain[of]
    if isinstance(of, type) and issubclass(of, Enum):
        return next(iter(of))
    if isinstance(of, type) and issubclass(of, msgspec.Struct):
        return of(**{f.name: an_example(f.type) for f in msgspec.structs.fields(of) if f.required})
    if origin in {list, dict, tuple, set, frozenset} or of in {list, dict}:
        return (origin or of)()
    raise TypeError(f"no example of {of}")


def arguments_of(method: Method) -> dict[str, Any]:
    required = [f for f in msgspec.structs.fields(method.params) if f.required]
    return {f.name: an_example(f.type) for f in required}


def refusal_of_stranger(mark: Mark) -> type[DomainError] | None:
    """What a signed-in person gets who names somebody else as the owner."""
    if mark.access in {Access.ADMIN, Access.SERVICE}:
        return Forbidden
    return NotFound if mark.access is Access.OWNER else None


def answer(call: Any, arguments: dict[str, Any]) -> type[Exception] | None:
    try:
        call(**arguments)
    except DomainError as error:
        return type(error)
    return None


def one_scope_persons(services: Container) -> dict[str, Person]:
    """A person seen through an API token of one scope, for each scope."""
    person = new_person(services)
    seen = {}
    for scope in SCOPES:
        with acting_as(person.actor):
            token = services.accounts.create_token(person.listener_id, scope, [scope]).token
        actor = actor_of(services.accounts.exchange_token(token).access_token)
        seen[scope] = Person(person.listener_id, person.name, "", actor, token)
    return seen


@pytest.mark.parametrize("module", MODULES)
def test_a_method_answers_only_those_it_is_for(services: Container, module: str) -> None:
    stranger, admin = new_person(services), new_person(services, is_admin=True)
    through_tokens = one_scope_persons(services)
    bound = services.get(module)
    wrong = []
    for method in contract_of(module).methods.values():
        mark, call, arguments = method.mark, getattr(bound, method.name), arguments_of(method)
        expected = {
            "anonymous": (ANONYMOUS, None if mark.access is Access.PUBLIC else Unauthenticated),
            "stranger": (stranger.actor, refusal_of_stranger(mark)),
            "admin": (admin.actor, Forbidden if mark.access is Access.SERVICE else None),
        }
        for scope, person in through_tokens.items():
            lacks = mark.access is not Access.PUBLIC and mark.scope != scope
            expected[f"token with scope {scope}"] = (person.actor, Forbidden if lacks else None)
        for who, (actor, refusal) in expected.items():
            if refusal is not None:
                with acting_as(actor):
                    given = answer(call, arguments)
                if given is not refusal:
                    wrong.append(f"{module}.{method.name} as {who}: {given} instead of {refusal.__name__}")
    assert not wrong, "\n".join(wrong)


def filled(path: str) -> str:
    """Put something into the parameters of a route."""
    kinds = {"uuid": lambda: str(uuid4()), "int": lambda: "1", "any": lambda: ""}

    def fill(match: re.Match[str]) -> str:
        if match[1] == "any":
            return str(match[2]).split(",")[0].strip(" '\"")
        return kinds.get(match[1], lambda: "x")()

    return "/api/v1" + PARAMETER.sub(fill, path)


def refusals(route: Route, people: dict[str, str]) -> dict[str, int]:
    """The status that each caller must get; callers who may pass are left out."""
    expected = {}
    if route.access is not Access.PUBLIC:
        expected["nobody"] = 401
        expected |= {scope: 403 for scope in SCOPES if scope != route.scope}
    if route.access is Access.ADMIN:
        expected["listener"] = 403
    return {who: status for who, status in expected.items() if who in people}


@pytest.mark.parametrize("module", MODULES)
def test_a_route_answers_only_those_it_is_for(api: PublicApi, services: Container, module: str) -> None:
    people = {scope: person.refresh_token for scope, person in one_scope_persons(services).items()}
    people |= {"nobody": "", "listener": new_person(services).token}
    wrong = []
    for route in api_of(module).routes:
        for who, status in refusals(route, people).items():
            given = api.send(route.method, filled(route.path), token=people[who], body=b"{}").status
            if given != status:
                wrong.append(f"{route.method} {route.path} as {who}: {given} instead of {status}")
    assert not wrong, "\n".join(wrong)


def test_ids_of_others_prove_nothing(api: PublicApi, services: Container) -> None:
    owner, stranger = new_person(services), new_person(services)
    with acting_as(owner.actor):
        token_id = services.accounts.create_token(owner.listener_id, "x", ["read"]).api_token.token_id
    for path in (f"me/tokens/{token_id}", f"me/sessions/{owner.actor.session_id}"):
        theirs = api.delete(f"/api/v1/{path}", token=stranger.token)
        nobodys = api.delete(f"/api/v1/{path.rpartition('/')[0]}/{uuid4()}", token=stranger.token)
        assert theirs.status == nobodys.status == 404
        assert theirs.json["title"] == nobodys.json["title"]
    with acting_as(owner.actor):
        assert services.accounts.list_tokens(owner.listener_id)
