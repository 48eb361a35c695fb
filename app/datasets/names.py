"""Invented names of artists, releases and recordings. Any likeness to real ones is chance."""

from collections.abc import Callable

import numpy as np


def _words(text: str) -> list[str]:
    return text.split()


ADJECTIVES = _words(
    """
    Amber Brittle Copper Distant Velvet Hollow Lunar Paper Quiet Rusted Silver Tidal Woven Glass Ember Frosted
    Gilded Idle Jagged Mossy Narrow Opal Pale Sunken Tangled Umber Violet Wandering Ashen Borrowed Crooked
    Drowsy Electric Feral Gentle Hidden Iron Marble Nocturnal Restless Salted Tender Unlit Winding
    """
)
NOUNS = _words(
    """
    Anchor Beacon Cinder Dovecote Estuary Furnace Garden Harbour Inkwell Juniper Kiln Lantern Meadow Needle
    Orchard Pavilion Quarry Ribbon Sparrow Thicket Umbrella Viaduct Willow Almanac Bramble Compass Driftwood
    Elevator Ferry Glacier Heron Island Jetty Kettle Lighthouse Magnet Nettle Observatory Parade Reservoir
    Staircase Telescope Valley Weathervane Archive Balcony Carousel Delta
    """
)
VERBS = _words(
    "Carry Follow Forget Gather Hold Leave Lift Mend Name Paint Remember Ride Send Sing Trace Turn Wake Watch"
)
ONSETS = _words("b br d dr f g gl h k l m n p r s st t tr v w z")
VOWELS = _words("a a e e i i o o u u ai ea ou")
CODAS = _words("n l r s th x m k nd rn")


class Names:
    """Hands out names from a seeded generator; an artist's or a release's only once."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._given: set[str] = set()

    def artist(self) -> str:
        return self._once(self._artist)

    def release(self) -> str:
        return self._once(self.title)

    def title(self) -> str:
        shape = self.rng.integers(6)
        if shape == 0:
            return f"{self._one(VERBS)} the {self._one(NOUNS)}"
        if shape == 1:
            return f"{self._one(ADJECTIVES)} {self._one(NOUNS)}"
        if shape == 2:
            return f"{self._one(NOUNS)} of {self._many()}"
        if shape == 3:
            return f"{self._one(VERBS)} Me {self._one(ADJECTIVES)}"
        if shape == 4:
            return f"{self._one(NOUNS)} in {self._word()}"
        return f"{self._one(ADJECTIVES)} {self._word()}"

    def _once(self, make: Callable[[], str]) -> str:
        while (name := make()) in self._given:
            pass
        self._given.add(name)
        return name

    def _artist(self) -> str:
        shape = self.rng.integers(6)
        if shape == 0:
            return f"The {self._one(ADJECTIVES)} {self._many()}"
        if shape == 1:
            return f"{self._one(ADJECTIVES)} {self._word()}"
        if shape == 2:
            return f"{self._word()} {self._word()}"
        if shape == 3:
            return f"{self._word()} & the {self._many()}"
        if shape == 4:
            return f"{self._one(NOUNS)} {self._one(NOUNS)}"
        return self._word(syllables=3)

    def _word(self, syllables: int = 2) -> str:
        return "".join(
            [*(self._one(ONSETS) + self._one(VOWELS) for _ in range(syllables)), self._one(CODAS)]
        ).capitalize()

    def _many(self) -> str:
        noun = self._one(NOUNS)
        if noun.endswith("y") and noun[-2] not in "aeou":
            return f"{noun[:-1]}ies"
        return f"{noun}es" if noun.endswith("s") else f"{noun}s"

    def _one(self, words: list[str]) -> str:
        return words[int(self.rng.integers(len(words)))]
