"""Builds the module `recommendations`."""

from app.kernel.feed import Follower
from app.kernel.module import Wired, Wiring
from app.modules.recommendations import aliases, champions, descriptions, impressions, latest, profiles
from app.modules.recommendations.fetching import ArtefactCache
from app.modules.recommendations.opening import Opener
from app.modules.recommendations.service import RecommendationsService
from app.modules.recommendations.serving import Models

PAGE = 20_000  # the same item again and again in an imported history is one row of a page


def build(w: Wiring) -> Wired:
    cache = ArtefactCache(w.settings.data_dir, lambda: w.services.training)
    opener = Opener(w.database, w.settings, cache, lambda: w.services.training)
    service = RecommendationsService(w.database, Models(w.database, cache, opener, w.clock), w.clock)
    listened = Follower(
        "listens",
        w.database,
        lambda after, limit: w.services.listens.folded_feed(after, limit),
        profiles.apply,
        profiles.reset,
        limit=PAGE,
    )
    promoted = Follower(
        "training",
        w.database,
        lambda after, limit: w.services.training.feed(after, limit),
        champions.apply,
        champions.reset,
    )
    corrected = Follower(
        "catalog", w.database, lambda after, limit: w.services.catalog.feed(after, limit), aliases.apply, aliases.reset
    )
    described = Follower(
        "descriptions",
        w.database,
        lambda after, limit: w.services.catalog.feed(after, limit),
        descriptions.apply,
        descriptions.reset,
    )
    played = Follower(
        "latest plays",
        w.database,
        lambda after, limit: w.services.listens.folded_feed(after, limit),
        latest.apply,
        latest.reset,
        limit=PAGE,
    )
    erased = Follower(
        "accounts",
        w.database,
        lambda after, limit: w.services.accounts.feed(after, limit),
        impressions.forget_erased,
        impressions.reset,
    )
    return Wired(
        service,
        (listened, promoted, corrected, described, played, erased),
        impressions.Sweeping(w.database, w.clock).tick,
    )
