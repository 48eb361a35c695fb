"""Whether the same play was met before, a few seconds away, among millions and in bounded memory."""

from array import array
from collections.abc import Hashable, Iterator

FIRST_SLOTS, MOST_SLOTS = 1 << 16, 1 << 23  # the latter is 64 MB, for five million plays
FULL = 0.6
STRETCH_BITS = 7  # 128 s, longer than any distance asked for


class Seen:
    """Plays in an open-addressed table of 8 bytes each: 32 bits of what was played, 32 of the second.

    A play is filed under what and its stretch of time, so that those near in time are found in one to three places.
    Where it is full and can't grow, it forgets and begins anew.
    """

    def __init__(self) -> None:
        self._clear(FIRST_SLOTS)

    def before(self, what: Hashable, second: int, within_s: int) -> bool:
        """Say whether this was seen at most so many seconds away; if not, remember it."""
        key = hash(what) & 0xFFFFFFFF
        second &= 0xFFFFFFFF
        for stretch in range((second - within_s) >> STRETCH_BITS, ((second + within_s) >> STRETCH_BITS) + 1):
            for slot in self._chain(key, stretch):
                value = self.slots[slot]
                if value >> 32 == key and abs((value & 0xFFFFFFFF) - second) <= within_s:
                    return True
        if self.used >= len(self.slots) * FULL:
            self._grow()
        self._put(key << 32 | second)
        return False

    def _clear(self, size: int) -> None:
        self.slots = array("Q", bytes(8 * size))
        self.used = 0

    def _chain(self, key: int, stretch: int) -> Iterator[int]:
        """Yield the slots in use from where a play would be filed; the table is never full."""
        mask = len(self.slots) - 1
        slot = hash((key, stretch)) & mask
        while self.slots[slot]:
            yield slot
            slot = (slot + 1) & mask

    def _put(self, value: int) -> None:
        mask = len(self.slots) - 1
        slot = hash((value >> 32, (value & 0xFFFFFFFF) >> STRETCH_BITS)) & mask
        while self.slots[slot]:
            slot = (slot + 1) & mask
        self.slots[slot] = value
        self.used += 1

    def _grow(self) -> None:
        before = self.slots
        if len(before) >= MOST_SLOTS:
            self._clear(len(before))
            return
        self._clear(len(before) * 4)
        for value in before:
            if value:
                self._put(value)
