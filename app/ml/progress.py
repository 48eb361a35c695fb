"""How far a fit is: called every half second or so, and the place where it is cancelled."""

from collections.abc import Callable

Progress = Callable[[float, str], None]


def no_progress(_fraction: float, _step: str) -> None:
    """Report to nobody."""
