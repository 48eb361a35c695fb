"""Search that forgives typos where the server has trigrams, and finds prefixes everywhere."""

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.contracts.identity import canonical

Mode = Literal["trigram", "prefix"]

# Columns come from here only, never from a request.
COLUMNS = {
    "artist": "artist_key, name",
    "recording": "recording_key, title, artist, artist_key, release",
}

# Near in letters, then begun as typed, then much played. The operator <% finds words near enough by the index.
TRIGRAM = """
    select {columns}
    from {table}
    where :text <% search_text or left(search_text, 200) like :prefix
    order by (search_text = :text) desc,
             word_similarity(:text, search_text)
                 + case when left(search_text, 200) like :prefix then 0.3 else 0 end
                 + ln(1 + plays) * 0.02 desc,
             search_text
    limit :limit
"""
PREFIX = """
    select {columns}
    from {table}
    where left(search_text, 200) like :prefix
    order by (search_text = :text) desc, plays desc, search_text
    limit :limit
"""


def mode(session: Session) -> Mode:
    has_trigrams = session.execute(text("select exists (select from pg_extension where extname = 'pg_trgm')"))
    return "trigram" if has_trigrams.scalar_one() else "prefix"


def find(
    session: Session, table: Literal["artist", "recording"], said: str, limit: int, how: Mode
) -> Sequence[Row[Any]]:
    """Return the rows whose names are near what was said, nearest first; none for an empty text."""
    wanted = canonical(said)[:100]
    if not wanted:
        return []
    if how == "trigram":
        session.execute(text("select set_config('pg_trgm.word_similarity_threshold', '0.45', true)"))
    statement = (TRIGRAM if how == "trigram" else PREFIX).format(columns=COLUMNS[table], table=table)
    escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return session.execute(text(statement), {"text": wanted, "prefix": f"{escaped}%", "limit": limit}).all()
