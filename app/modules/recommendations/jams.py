"""What a listener loves and plays much, in an order of the week: the known half of what is made weekly."""

from math import log1p

from app.contracts.recommendations import Pick
from app.kernel.db import Database
from app.modules.recommendations import pools
from app.modules.recommendations.candidates import Candidate, Day, choose, pick_of
from app.modules.recommendations.listener import Listener

POOL = 400
PER_ARTIST = 3
ROTATION = 0.6
LOVED = 2.0


def known_and_loved(database: Database, of: Listener, limit: int) -> list[Pick]:
    """Return recordings that were played most or loved, few of each artist, others next week."""
    loved = {each.key for each in of.recordings.weighed if each.is_loved}
    with database.begin() as session:
        heard = pools.most_played(session, of.listener_id, "recordings", POOL)
    found = [
        Candidate(
            each.names,
            log1p(each.plays) * (LOVED if each.names.key in loved else 1.0),
            "often",
            plays=each.plays,
            last_at=each.last_at,
        )
        for each in heard.values()
        if not of.is_hidden(each.names, "recordings")
    ]
    week = Day(of.day.number // 7, of.listener_id)
    chosen = choose(found, limit, per_artist=PER_ARTIST, rotation=(week, "jams", ROTATION))
    return [pick_of(each) for each in chosen]
