"""Builds the module `listens`."""

from sqlalchemy.orm import Session

from app.kernel.feed import Follower
from app.kernel.module import Wired, Wiring
from app.modules.listens import aliases
from app.modules.listens.popular import PopularCounter
from app.modules.listens.service import ListensService, forget_erased
from app.modules.listens.training_feed import Pseudonyms


def build(w: Wiring) -> Wired:
    service = ListensService(w.database, w.clock, Pseudonyms(w.settings.secret("pseudonym_key")))
    erasures = Follower(
        "accounts", w.database, lambda after, limit: w.services.accounts.feed(after, limit), forget_erased, _keep
    )
    corrections = Follower(
        "catalog", w.database, lambda after, limit: w.services.catalog.feed(after, limit), aliases.apply, aliases.reset
    )
    return Wired(service, (erasures, corrections), PopularCounter(w.database).tick)


def _keep(_session: Session) -> None:
    """Nothing here is derived from the feed of accounts: an erasure applied again erases nothing."""
