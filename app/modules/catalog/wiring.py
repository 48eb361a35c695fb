"""Builds the module `catalog`."""

from sqlalchemy.orm import Session

from app.kernel.feed import Follower
from app.kernel.module import Wired, Wiring
from app.kernel.outgoing import Outgoing
from app.modules.catalog.corrections import forget_erased
from app.modules.catalog.covers import Fetching
from app.modules.catalog.names import forget_derived, learn
from app.modules.catalog.service import CatalogService

PAGE = 20_000  # the same names again and again in an imported history are one row of a page


def build(w: Wiring) -> Wired:
    may_fetch = w.settings.fetch_covers
    service = CatalogService(w.database, w.services, w.clock, has_covers=may_fetch)
    outgoing = Outgoing(w.settings.allow_private_hosts)
    fetching = Fetching(w.database, outgoing, w.settings.cover_archive_url, w.clock)
    listened = Follower(
        "listens",
        w.database,
        lambda after, limit: w.services.listens.folded_feed(after, limit),
        learn,
        forget_derived,
        limit=PAGE,
    )
    erasures = Follower(
        "accounts", w.database, lambda after, limit: w.services.accounts.feed(after, limit), forget_erased, _keep
    )
    return Wired(service, (listened, erasures), fetching.tick if may_fetch else None)


def _keep(_session: Session) -> None:
    """Nothing here is derived from the feed of accounts: an erasure applied again erases nothing."""
