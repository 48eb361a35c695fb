"""Nonsense is refused, and never an error of ours (line 30)."""

import typing

import msgspec
import pytest

from app.composition import MODULES, Container, api_of
from app.kernel.contract import Access
from tests.conftest import PublicApi
from tests.security.test_access_matrix import filled
from tests.support.people import Person, new_person

BODIES = [
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b'{"surely_unknown":1}',
    b"\xff\xfe",
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b'{"name":NaN}',
    b'{"name":"\\u0000"}',
    b'{"name":"\\ud800"}',
    b'{"limit":1000000000000000000000000000}',
]
VALUES = ["", "x", "-1", "0", "1000000000", "1e999", "NaN", "%00", "%ff", "x" * 3000, "9999-99-99", "'--"]

# A batch that is too long has an error of its own (413).
BOUNDED_BY_THE_SERVICE = {"Submission.listens"} | {
    f"PublicListen.{name}" for name in ("listened_at", "artist", "title", "release", "release_artist")
}


@pytest.fixture
def caller(services: Container) -> Person:
    return new_person(services, is_admin=True)


@pytest.mark.parametrize("module", MODULES)
def test_nonsense_as_a_body(api: PublicApi, caller: Person, module: str) -> None:
    wrong = []
    for route in api_of(module).routes:
        if route.body is None:
            continue
        for body in BODIES:
            token = "" if route.access is Access.PUBLIC else caller.token
            status = api.send(route.method, filled(route.path), body=body, token=token).status
            if not 400 <= status < 500:
                wrong.append(f"{route.method} {route.path} {body[:30]!r}: {status}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", MODULES)
def test_nonsense_as_a_query(api: PublicApi, caller: Person, module: str) -> None:
    wrong = []
    for route in api_of(module).routes:
        if route.method != "GET":
            continue
        names = [f.name for f in msgspec.structs.fields(route.query)] if route.query else []
        queries = [f"{name}={value}" for name in names for value in VALUES] + ["surely_unknown=1"]
        for query in queries:
            status = api.get(f"{filled(route.path)}?{query}", token=caller.token).status
            if status >= 500 or (query == "surely_unknown=1" and status < 400):
                wrong.append(f"GET {route.path}?{query[:40]}: {status}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", MODULES)
def test_every_form_refuses_unknown_fields(module: str) -> None:
    forms = {form for route in api_of(module).routes for form in (route.query, route.body) if form is not None}
    loose = [f.__name__ for f in forms if not f.__struct_config__.forbid_unknown_fields]
    assert not loose


@pytest.mark.parametrize("module", MODULES)
def test_every_text_and_list_of_a_form_has_a_longest_length(module: str) -> None:
    unbounded = []
    for route in api_of(module).routes:
        for form in (route.query, route.body):
            fields = msgspec.structs.fields(form) if form is not None else ()
            unbounded += [f"{form.__name__}.{f.name}" for f in fields if form and is_unbounded(f.type)]
    assert set(unbounded) <= BOUNDED_BY_THE_SERVICE


def is_unbounded(of: typing.Any) -> bool:
    """Say whether a type lets a text or list of any length in."""
    info = msgspec.inspect.type_info(of)
    parts = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    for part in parts:
        if isinstance(part, msgspec.inspect.StrType) and part.max_length is None and part.pattern is None:
            return True
        if isinstance(part, msgspec.inspect.ListType) and part.max_length is None:
            return True
    return False
