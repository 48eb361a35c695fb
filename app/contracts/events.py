"""The form of a feed's page, the same for every module that others follow."""

from typing import Generic, TypeVar

from msgspec import Struct

Event = TypeVar("Event")


class FeedPage(Struct, Generic[Event], frozen=True):
    """Events in commit order; `cursor` is where to go on, also when there are none."""

    events: list[Event]
    cursor: str
