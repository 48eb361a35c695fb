"""Every plausible base address leads to its endpoint, and pages keep theirs."""

import re

import pytest

from app.protocols.addresses import HANDSHAKE, rewrite
from app.protocols.install import PREFIXES
from tests.protocols.conftest import Player
from tests.support.stack import Stack

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
        ("/feedback/recording-feedback", "", "/1/feedback/recording-feedback"),
        ("/feedback/user/a/get-feedback", "", "/1/feedback/user/a/get-feedback"),
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


def test_no_address_of_a_page_or_of_the_public_api_is_taken_away(loopback: Stack) -> None:
    assert loopback.app is not None
    for rule in loopback.app.url_map.iter_rules():
        if rule.rule.startswith(PREFIXES):
            continue
        path = re.sub(r"<uuid:[a-z_]+>", ID, rule.rule)
        path = re.sub(r"<kind>", "recordings", path)
        path = re.sub(r"<(?:[a-z]+:)?[a-z_]+>", "1", path)
        assert rewrite(path) == path, rule.rule
    for kind in ("recordings", "artists"):
        assert rewrite(f"/feedback/{kind}/{ID}") == f"/feedback/{kind}/{ID}"
