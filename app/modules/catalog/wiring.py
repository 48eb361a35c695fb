"""Builds the module `catalog`."""

from app.kernel.feed import Follower
from app.kernel.module import Wired, Wiring
from app.modules.catalog.names import forget_derived, learn
from app.modules.catalog.service import CatalogService


def build(w: Wiring) -> Wired:
    follower = Follower(
        "listens", w.database, lambda after, limit: w.services.listens.feed(after, limit), learn, forget_derived
    )
    return Wired(CatalogService(w.database), (follower,))
