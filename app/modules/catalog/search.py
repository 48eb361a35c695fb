"""Search that forgives typos where the server has trigrams, and finds beginnings everywhere.

A word like "the" is in every third name, and how near a name is takes microseconds to say. So a search compares only
candidates, from sources that each end early: the name itself, the best known that begin as typed, the best known that
hold it, and a number of near ones.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.identity import canonical
from app.kernel.db import literal

Mode = Literal["trigram", "prefix"]

# Columns come from here only, never from a request.
COLUMNS = {
    "artist": "artist_key, name",
    "recording": "recording_key, title, artist, artist_key, release",
}

BEGUN = """
    exact as (
        select * from {table} where left(search_text, 200) = :text limit 20
    ), begun as (
        select * from {table} where left(search_text, 200) like :prefix order by weight desc limit :begun
    )
"""
# 1000 and 300: with 100,000 names a search takes 2 to 35 ms on one core.
TRIGRAM = """
    with {begun}, held as (
        select *
        from (select * from {table} order by weight desc limit 1000) known
        where position(:text in search_text) > 0
        limit 200
    ), near as (
        select * from {table} where :text <% search_text limit 300
    )
    select {columns}
    from (
        select * from exact union select * from begun union select * from held union select * from near
    ) found
    order by word_similarity(:text, search_text) + 0.3 * similarity(:text, search_text)
                 + case when search_text = :text            then 1.0
                        when search_text like :whole_prefix then 0.2
                        when search_text like :prefix       then 0.1
                        else 0
                   end
                 + 0.04 * ln(1 + plays) desc,
             search_text
    limit :limit
"""
PREFIX = """
    with {begun}
    select {columns}
    from (select * from exact union select * from begun) found
    order by (search_text = :text) desc, plays desc, search_text
    limit :limit
"""
# Of "beatels" 0.5 is in "the beatles", of "lantrens" 0.44 in "marigold lanterns"; a slip spoils less of a long text.
NEAR_ENOUGH, NEAR_ENOUGH_LONG, LONG = 0.42, 0.5, 12
# Letters that no accent comes off.
PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "þ": "th", "æ": "ae", "œ": "oe", "'": None, ".": None}
)


def folded(name: str) -> str:
    """Return the form of a name that search compares: canonical, without accents, apostrophes and full stops.

    "Björk" is found as "bjork", "Don't Stop" as "dont stop", "R.E.M." as "rem". Marks that make another letter outside
    of Latin, Greek and Cyrillic stay.
    """
    whole = canonical(name)
    if whole.isascii() and "'" not in whole and "." not in whole:
        return whole
    bare = "".join(c for c in unicodedata.normalize("NFD", whole) if not "\u0300" <= c <= "\u036f")
    plain = unicodedata.normalize("NFC", bare.translate(PLAIN))
    return " ".join(plain.split()) or whole


def mode(session: Session) -> Mode:
    """Return how names can be searched: by trigrams only where an index has them."""
    has_trigrams = session.execute(text("select to_regclass('recording_trigram') is not null"))
    return "trigram" if has_trigrams.scalar_one() else "prefix"


def find(
    session: Session, table: Literal["artist", "recording"], said: str, limit: int, how: Mode
) -> Sequence[Row[Any]]:
    """Return the rows whose names are near what was said, nearest first; none for an empty text."""
    wanted = folded(said)[:100]
    if not wanted:
        return []
    if how == "trigram" and _has_trigrams(wanted):
        session.execute(
            text(
                """
                select set_config('pg_trgm.word_similarity_threshold', :near, true),
                       -- a plan that reads all names looks cheap to a server that has not counted them yet
                       set_config('enable_seqscan', 'off', true)
                """
            ),
            {"near": str(NEAR_ENOUGH if len(wanted) < LONG else NEAR_ENOUGH_LONG)},
        )
        statement = TRIGRAM
    else:
        statement = PREFIX
    begun = BEGUN.format(table=table)
    escaped = literal(wanted)
    return session.execute(
        text(statement.format(begun=begun, columns=COLUMNS[table], table=table)),
        {
            "text": wanted,
            "prefix": f"{escaped}%",
            "whole_prefix": f"{escaped} %",
            "begun": limit + 50,
            "limit": limit,
        },
    ).all()


def _has_trigrams(wanted: str) -> bool:
    """Whether a text is more than marks and a letter or two, which would be near everything; kanji say more."""
    return any(c.isalnum() for c in wanted) and (len(wanted) > 2 or not wanted.isascii())
