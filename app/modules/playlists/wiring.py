"""Builds the module `playlists`."""

from sqlalchemy.orm import Session

from app.kernel.feed import Follower
from app.kernel.module import Wired, Wiring
from app.modules.playlists.service import PlaylistsService, forget_erased


def build(w: Wiring) -> Wired:
    service = PlaylistsService(w.database, w.services, w.clock, w.settings.public_url)
    erasures = Follower(
        "accounts", w.database, lambda after, limit: w.services.accounts.feed(after, limit), forget_erased, _keep
    )
    return Wired(service, (erasures,))


def _keep(_session: Session) -> None:
    """Nothing here is derived from the feed of accounts: an erasure applied again erases nothing."""
