"""The shelves of a listener's first page: each with an intention of its own, and no item on two of them."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from uuid import UUID

from msgspec import structs

from app.contracts.listens import Kind
from app.contracts.recommendations import Pick, Shelf, ShelfName, Steering
from app.kernel.db import Database
from app.modules.recommendations import descriptions, shelf_pools, unplayed
from app.modules.recommendations.candidates import Candidate, choose, pick_of, turned
from app.modules.recommendations.listener import Listener
from app.modules.recommendations.memories import Memories
from app.modules.recommendations.shelf_pools import FEWEST, Pool

PER_ARTIST = 2
ROTATION = 0.35  # of the scores' spread: about half of a shelf is another one tomorrow
DEPTH = 0.4  # of the slider to obscure, that deep cuts are turned by


def fill(database: Database, memories: Memories, of: Listener, size: int) -> list[Shelf]:
    """Return the shelves that there is something for, in their order on the page."""
    makers: list[tuple[ShelfName, Kind, Callable[[Database, Listener], Pool]]] = [
        ("for_now", "recordings", lambda d, o: shelf_pools.now_pool(d, memories, o)),
        ("deep_cuts", "recordings", shelf_pools.deep_cuts),
        ("new_artists", "artists", shelf_pools.new_artists),
        ("forgotten", "recordings", shelf_pools.forgotten),
        ("popular", "recordings", shelf_pools.popular),
    ]
    shelves = []
    for name, kind, make in makers:
        pool = make(database, of)
        chosen = _chosen(database, of, name, kind, pool.candidates, size)
        is_known = pool.is_known
        if len(chosen) < FEWEST and pool.instead is not None:
            more = _chosen(
                database, of, name, kind, pool.instead(), size - len(chosen), taken={c.names.key for c in chosen}
            )
            is_known = is_known or (bool(more) and len(chosen) < len(more))
            chosen += more
        if chosen:
            of.taken.update(each.names.key for each in chosen)
            chosen = pool.explain(database, of, chosen)
            shelves.append(Shelf(name, kind, [pick_of(each) for each in chosen], is_known, pool.around))
    return shelves


def offer_unplayed(database: Database, of: Listener, size: int) -> list[Pick]:
    """Return what nobody here has played and this listener may like; chosen as on a shelf."""
    pool = unplayed.pool(database, of)
    chosen = _chosen(database, of, "unplayed", "recordings", pool.candidates, size)
    return [pick_of(each) for each in pool.explain(database, of, chosen)]


def _chosen(
    database: Database,
    of: Listener,
    name: str,
    kind: Kind,
    candidates: list[Candidate],
    size: int,
    taken: AbstractSet[UUID] = frozenset(),
) -> list[Candidate]:
    steering = of.steering
    if name == "deep_cuts":
        steering = _deeper(steering)
    allowed = [each for each in candidates if not of.is_hidden(each.names, kind)]
    energies: dict[UUID, float] = {}
    if steering.energy and allowed:
        with database.begin() as session:
            energies = descriptions.energies(session, kind, [each.names.key for each in allowed])
    return choose(
        turned(allowed, steering, of.familiar(), energies),
        size,
        per_artist=min(PER_ARTIST, steering.per_artist),
        variety=steering.variety,
        scorer=of.scorer(kind),
        taken=of.taken | taken,
        ignored=of.ignored[kind],
        rotation=(of.day, name, ROTATION),
    )


def _deeper(steering: Steering) -> Steering:
    return structs.replace(steering, obscurity=min(1.0, steering.obscurity + DEPTH))
