"""Play counts added up: a library may hold one recording twice, and a total that is set replaces the one before."""

from array import array
from collections.abc import Callable, Iterator
from itertools import pairwise

from app.contracts.identity import EmptyName, artist_key, identify
from app.modules.listens.formats.items import Count, Item
from app.modules.listens.formats.reading import Reading

MAX_PLAYS = 100_000_000


def added_up(reading: Reading, items: Callable[[Reading], Iterator[Item]]) -> Iterator[Item]:
    """Yield the items, those counts that are of one recording as one, last and at the place of the first.

    In two passes: the first finds what comes more than once, so that only that is held in memory.
    """
    keys = array("Q", (key for item in items(reading.glance()) if (key := _key(item)) is not None))
    several = {key for key, following in pairwise(sorted(keys)) if key == following}
    totals: dict[int, Count] = {}
    for item in items(reading):
        key = _key(item) if several else None
        if not isinstance(item, Count) or key not in several:
            yield item
        elif key in totals:
            plays = totals[key].plays + item.plays
            totals[key] = totals[key]._replace(plays=min(plays, MAX_PLAYS))
        elif key is not None:
            totals[key] = item
    yield from totals.values()


def _key(item: Item) -> int | None:
    """Return 64 bits of the key of what is counted, None where that has none."""
    if not isinstance(item, Count):
        return None
    try:
        key = identify(item.artist, item.title).recording_key if item.title else artist_key(item.artist)
    except EmptyName:
        return None
    return key.int & 0xFFFFFFFFFFFFFFFF
