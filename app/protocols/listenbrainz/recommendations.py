"""Recommendations of recordings, in the form of collaborative filtering."""

import time

from flask import Response

from app.contracts.services import Services
from app.protocols.callers import Callers
from app.protocols.listenbrainz.answers import answer, count_and_offset, nothing_yet
from app.protocols.listenbrainz.reading import mbids_of

MOST = 200


def recordings(services: Services, callers: Callers, name: str, public_url: str) -> Response:
    count, offset = count_and_offset()
    with callers.reading(name) as listener:
        found = services.recommendations.recommend(listener.listener_id, "recordings", MOST)
    if not found.items:
        return nothing_yet()
    page = found.items[offset : offset + count]
    mbids = mbids_of(services, [item.key for item in page])
    entries = [{"recording_mbid": mbids[item.key], "score": item.score, "latest_listened_at": None} for item in page]
    return answer(
        {
            "payload": {
                "mbids": entries,
                "entity": "recording",
                "user_name": listener.name,
                "last_updated": int(time.time()),
                "count": len(entries),
                "total_mbid_count": len(found.items),
                "offset": offset,
                "model_id": found.model,
                "model_url": public_url,
            }
        }
    )
