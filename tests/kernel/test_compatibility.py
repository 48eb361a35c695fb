"""A change of a contract that breaks the release before is found; an addition is not."""

from typing import Any, Literal, Protocol

import pytest
from msgspec import Struct

from app.cli.contracts import last_release
from app.composition import MODULES, contract_of
from app.kernel.compatibility import broken, broken_errors, broken_since, describe
from app.kernel.contract import Access, command, compile_contract, query


class Track(Struct, frozen=True):
    title: str
    plays: int = 0


class Player(Protocol):
    @query(access=Access.PUBLIC)
    def find(self, text: str, kind: Literal["song", "album"] = "song") -> list[Track]:
        """Return what is found."""

    @command(access=Access.LISTENER, idempotent=True)
    def keep(self, track: Track) -> Track:
        """Keep a track."""


def planted(*, track: Any = Track, find: Any = None, keep: Any = None, without: str = "") -> Any:
    """Return a Player with one thing changed."""

    def plain_find(self, text: str, kind: Literal["song", "album"] = "song") -> list[track]:
        """Return what is found."""

    def plain_keep(self, track: track) -> track:
        """Keep a track."""

    methods = {
        "find": find or query(access=Access.PUBLIC)(plain_find),
        "keep": keep or command(access=Access.LISTENER, idempotent=True)(plain_keep),
    }
    for name, method in methods.items():
        method.__name__ = name
    methods.pop(without, None)
    return type("Player", (Protocol,), methods)


class Titled(Struct, frozen=True):
    title: str


class Retyped(Struct, frozen=True):
    title: str
    plays: str = ""


class Demanding(Struct, frozen=True):
    title: str
    artist: str
    plays: int = 0


class Richer(Struct, frozen=True):
    title: str
    plays: int = 0
    artist: str | None = None


@query(access=Access.PUBLIC)
def needs_more(self, text: str, market: str, kind: Literal["song", "album"] = "song") -> list[Track]:
    """Return what is found."""


@query(access=Access.PUBLIC)
def takes_less(self, text: str, kind: Literal["song"] = "song") -> list[Track]:
    """Return what is found."""


@query(access=Access.ADMIN)
def for_admins(self, text: str, kind: Literal["song", "album"] = "song") -> list[Track]:
    """Return what is found."""


@command(access=Access.LISTENER)
def only_once(self, track: Track) -> Track:
    """Keep a track."""


@query(access=Access.PUBLIC)
def takes_more(self, text: str, kind: Literal["song", "album", "artist"] = "song", limit: int = 10) -> list[Track]:
    """Return what is found."""


BREAKS = {
    "a field is removed": (planted(track=Titled), "plays is gone"),
    "a field is retyped": (planted(track=Retyped), "was integer"),
    "a field is needed": (planted(track=Demanding), "artist is required now"),
    "an argument is needed": (planted(find=needs_more), "market is required now"),
    "an argument takes less": (planted(find=takes_less), "no longer takes album"),
    "a method is gone": (planted(without="keep"), "keep is gone"),
    "others may call it": (planted(find=for_admins), "access was public"),
    "it must not be repeated": (planted(keep=only_once), "no longer idempotent"),
}


@pytest.mark.parametrize("change", BREAKS)
def test_a_breaking_change_is_named(change: str) -> None:
    protocol, said = BREAKS[change]
    found = broken(describe(compile_contract(Player, "player")), describe(compile_contract(protocol, "player")))
    assert any(said in what for what in found), found


@pytest.mark.parametrize("protocol", [planted(), planted(track=Richer), planted(find=takes_more)])
def test_an_addition_breaks_nothing(protocol: Any) -> None:
    assert broken(describe(compile_contract(Player, "player")), describe(compile_contract(protocol, "player"))) == []


def test_an_error_keeps_its_code_and_status() -> None:
    assert broken_errors({"a": 404, "b": 409}, {"a": 410, "c": 400}) == [
        "error b is gone",
        "error a: status was 404, is 410",
    ]


def test_the_snapshot_of_the_last_release_is_whole() -> None:
    names = {file.stem for file in last_release().glob("*.json")}
    assert {"errors", "accounts", "catalog", "listens", "recommendations", "training", "playlists"} <= names
    assert len(broken_since(last_release(), [contract_of(m) for m in MODULES if m != "training"])) == 0
