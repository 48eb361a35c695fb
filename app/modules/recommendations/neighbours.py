"""Listeners alike: the cosine of their artists, each weighed by the logarithm of its plays."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.contracts.recommendations import SimilarListener

LOOKED_AT = 200  # of a listener's artists, the most played
CANDIDATES = 500  # those who share most of them

WEIGHT = "ln(1 + {0}.plays + {0}.playcount)"

SIMILAR = text(
    f"""
    with mine as (
        select p.key, {WEIGHT.format("p")} as weight
        from profile_item p
        where p.listener_id = :listener and p.kind = 'artists' and p.plays + p.playcount > 0
        order by weight desc, p.key
        limit {LOOKED_AT}
    ), shared as (
        select p.listener_id, sum(mine.weight * {WEIGHT.format("p")}) as product
        from mine
        join profile_item p on p.kind = 'artists' and p.key = mine.key
        where p.listener_id <> :listener and p.plays + p.playcount > 0
        group by p.listener_id
        order by product desc, p.listener_id
        limit {CANDIDATES}
    )
    select shared.listener_id, least(1.0, shared.product / sqrt(theirs.length * own.length)) as similarity
    from shared
    cross join (select sum(weight * weight) as length from mine) own
    cross join lateral (
        select sum({WEIGHT.format("p")} ^ 2) as length
        from profile_item p
        where p.listener_id = shared.listener_id and p.kind = 'artists'
    ) theirs
    order by similarity desc, shared.listener_id
    limit :limit
    """  # noqa: S608
)


def similar(session: Session, listener_id: UUID, limit: int) -> list[SimilarListener]:
    """Return the nearest listeners first."""
    rows = session.execute(SIMILAR, {"listener": listener_id, "limit": limit})
    return [SimilarListener(row.listener_id, float(row.similarity)) for row in rows]
