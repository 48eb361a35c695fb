"""Acts written into the audit trail before they happen: where it can't be written they don't happen."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from app.kernel.contract import DomainError

Record = Callable[[str, str, dict[str, Any] | None], None]


@contextlib.contextmanager
def recorded(record: Record, act: str, subject: object = "", **details: Any) -> Iterator[None]:
    """Record what the block does, without details that say nothing; also when it failed afterwards."""
    record(act, str(subject), {name: value for name, value in details.items() if value not in (None, "")} or None)
    try:
        yield
    except DomainError as error:
        with contextlib.suppress(DomainError):
            record(f"{act}.failed", str(subject), {"code": error.code})
        raise
