"""What a module's `wiring.build` receives and returns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.kernel.clock import Clock
from app.kernel.db import Database
from app.settings import Settings

if TYPE_CHECKING:
    from app.kernel.feed import Follower


@dataclass(frozen=True)
class Wiring:
    """`services` is typed `app.contracts.services.Services` by its user: the kernel knows no module."""

    settings: Settings
    database: Database
    services: Any
    clock: Clock


@dataclass(frozen=True)
class Wired:
    """`followers` keep read models of other modules' feeds; `tick` runs about every second in one process at a time."""

    service: object
    followers: tuple["Follower[Any]", ...] = ()
    tick: Callable[[], None] | None = None
