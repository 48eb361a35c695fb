from typing import Protocol
from uuid import uuid4

import pytest

from app.composition import MODULES, contract_of
from app.kernel.binding import error_of, local, loopback, problem_of
from app.kernel.context import SYSTEM, Actor, acting_as, budget
from app.kernel.contract import (
    Access,
    ContractMismatch,
    DeadlineExceeded,
    DomainError,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthenticated,
    compile_contract,
    query,
)
from tests.kernel.conftest import CONTRACT
from tests.kernel.echo import EchoService, Thing, ThingNotFound


@pytest.fixture(params=[local, loopback], ids=["local", "loopback"])
def echo(request: pytest.FixtureRequest) -> object:
    return request.param(CONTRACT, EchoService())


def test_every_module_has_a_contract_that_compiles() -> None:
    assert {contract_of(module).name for module in MODULES} == set(MODULES)


def test_an_unmarked_method_is_refused() -> None:
    class Bad(Protocol):
        def read(self) -> int:
            """A number."""

    with pytest.raises(TypeError, match="mark it"):
        compile_contract(Bad, "bad")


def test_an_untyped_parameter_is_refused() -> None:
    class Bad(Protocol):
        @query(access=Access.PUBLIC)
        def read(self, number) -> int:  # type: ignore[no-untyped-def]
            """A number."""

    with pytest.raises(TypeError, match="no type for number"):
        compile_contract(Bad, "bad")


def test_a_type_that_the_wire_cannot_carry_is_refused() -> None:
    class Bad(Protocol):
        @query(access=Access.PUBLIC)
        def read(self) -> complex:
            """A number."""

    with pytest.raises(TypeError, match=r"bad\.read"):
        compile_contract(Bad, "bad")


def test_an_owners_method_names_the_owner_first() -> None:
    class Bad(Protocol):
        @query(access=Access.OWNER)
        def read(self, number: int) -> int:
            """A number."""

    with pytest.raises(TypeError, match="listener_id"):
        compile_contract(Bad, "bad")


@pytest.mark.parametrize("former", ["nothing", "find"])
def test_a_former_method_takes_the_same(former: str) -> None:
    class Bad(Protocol):
        @query(access=Access.PUBLIC)
        def find(self, name: str) -> int:
            """A number."""

        @query(access=Access.PUBLIC, former=former)
        def read(self, number: int) -> int:
            """A number."""

    with pytest.raises(TypeError, match=rf"bad\.read: {former}"):
        compile_contract(Bad, "bad")


def test_two_errors_cannot_share_a_code() -> None:
    with pytest.raises(TypeError, match="two errors"):

        class Twin(DomainError):
            code = ThingNotFound.code


def test_a_call_returns_what_the_service_returned(echo: EchoService) -> None:
    assert echo.get_things([1, 2]) == [Thing(1, "thing 1"), Thing(2, "thing 2")]


def test_an_error_arrives_as_its_own_type_with_its_details(echo: EchoService) -> None:
    with pytest.raises(ThingNotFound) as caught:
        echo.get_thing(-1)
    assert (caught.value.message, caught.value.details) == ("no thing -1", {"number": -1})


def test_an_error_unknown_here_says_that_the_versions_differ() -> None:
    problem = problem_of(ThingNotFound("gone"))
    foreign = type(problem)(problem.title, problem.status, "echo.invented_elsewhere")
    assert isinstance(error_of(foreign), ContractMismatch)


def test_local_calls_obey_the_deadline(echo: EchoService) -> None:
    with budget(0), pytest.raises(DeadlineExceeded):
        echo.get_thing(1)


def test_an_argument_of_the_wrong_type_is_refused_on_the_wire() -> None:
    with pytest.raises(InvalidRequest):
        loopback(CONTRACT, EchoService()).get_thing("one")


@pytest.mark.parametrize(
    ("actor", "error"),
    [
        (Actor("anonymous"), Unauthenticated),
        (Actor("person", listener_id=uuid4(), scopes=frozenset({"read"})), NotFound),
        (Actor("person", listener_id=uuid4(), scopes=frozenset()), Forbidden),
    ],
    ids=["anonymous", "somebody else", "without scope"],
)
def test_an_owners_method_refuses_others(echo: EchoService, actor: Actor, error: type[DomainError]) -> None:
    with acting_as(actor), pytest.raises(error):
        echo.whoami(uuid4())


def test_an_owner_an_admin_and_segue_itself_may_call_an_owners_method(echo: EchoService) -> None:
    mine = uuid4()
    owner = Actor("person", listener_id=mine, name="owner", scopes=frozenset({"read"}))
    admin = Actor("person", listener_id=uuid4(), name="admin", is_admin=True, scopes=frozenset({"read"}))
    for actor in (owner, admin, SYSTEM):
        with acting_as(actor):
            assert echo.whoami(mine) == actor.name
