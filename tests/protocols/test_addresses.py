"""Every plausible base address leads to its endpoint, and pages keep theirs."""

import pytest

from app.protocols.addresses import HANDSHAKE, rewrite
from tests.protocols.conftest import Player

ID = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/1/submit-listens", "", "/1/submit-listens"),
        ("/submit-listens", "", "/1/submit-listens"),
        ("/1/1/submit-listens/", "", "/1/submit-listens"),
        ("//1//submit-listens", "", "/1/submit-listens"),
        ("/apis/listenbrainz/1/submit-listens", "", "/1/submit-listens"),
        ("/listenbrainz/1/user/a/listens", "", "/1/user/a/listens"),
        ("/user/a/listen-count", "", "/1/user/a/listen-count"),
        ("/1/playlist/create", "", "/1/playlist/create"),
        (f"/1/playlist/{ID}", "", f"/1/playlist/{ID}"),
        (f"/playlist/{ID}/item/add", "", f"/1/playlist/{ID}/item/add"),
        ("/2.0", "", "/2.0/"),
        ("/2.0//", "", "/2.0/"),
        ("/2.0/2.0/", "", "/2.0/"),
        ("/api/2.0/", "", "/2.0/"),
        ("/apis/audioscrobbler/2.0", "", "/2.0/"),
        ("/", "hs=true&p=1.2", HANDSHAKE),
        ("", "u=a&hs=true", HANDSHAKE),
        ("/1.2/", "p=1.2&hs=true", HANDSHAKE),
        ("/anything//", "hs=true", HANDSHAKE),
        ("/1.2/submit", "", "/audioscrobbler/1.2/submit"),
        # pages and the public API are left alone
        ("/", "", "/"),
        ("/", "hs=false", "/"),
        ("/search", "q=a", "/search"),
        (f"/playlist/{ID}", "", f"/playlist/{ID}"),
        ("/playlists", "", "/playlists"),
        ("/statistics", "", "/statistics"),
        ("/api/v1/listens", "", "/api/v1/listens"),
        ("/api/v1/feedback/artists/x", "", "/api/v1/feedback/artists/x"),
        ("/api/auth/", "api_key=x", "/api/auth/"),
        ("/static/1/submit-listens", "", "/static/1/submit-listens"),
    ],
)
def test_a_path_is_rewritten_to_its_endpoint(path: str, query: str, expected: str) -> None:
    assert rewrite(path, query) == expected


@pytest.mark.parametrize("base", ["", "/", "/1", "/1/", "/1//", "/apis/listenbrainz", "/listenbrainz/1"])
def test_a_client_reaches_segue_by_any_base(player: Player, base: str) -> None:
    reply = player.get(f"{base}/validate-token")
    assert (reply.status, reply.json["valid"]) == (200, True)
