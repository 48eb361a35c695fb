"""Builds the module `playlists`."""

from sqlalchemy.orm import Session

from app.kernel.feed import Follower
from app.kernel.module import Wired, Wiring
from app.kernel.outgoing import Outgoing
from app.kernel.sealing import Sealer
from app.modules.playlists.library import MusicServers
from app.modules.playlists.library_push import WeeklyPushes, tick_of
from app.modules.playlists.library_sync import Syncs
from app.modules.playlists.service import PlaylistsService, forget_erased


def build(w: Wiring) -> Wired:
    servers = MusicServers(
        Outgoing(w.settings.allow_private_hosts), Sealer(w.settings.secret("secret_key"), "playlists")
    )
    service = PlaylistsService(w.database, w.services, w.clock, w.settings.public_url, servers)
    erasures = Follower(
        "accounts", w.database, lambda after, limit: w.services.accounts.feed(after, limit), forget_erased, _keep
    )
    weekly = WeeklyPushes(service, service.generate_weekly)
    return Wired(service, (erasures,), tick_of(Syncs(service).step, weekly.step))


def _keep(_session: Session) -> None:
    """Nothing here is derived from the feed of accounts: an erasure applied again erases nothing."""
