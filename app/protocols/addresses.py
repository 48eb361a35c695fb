"""Every plausible base address works: with and without `/1` or `/2.0`, doubled or trailing slashes, known prefixes.

Players put their own path behind what a person typed. What can only mean one endpoint is sent to it.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

HANDSHAKE = "/audioscrobbler/1.2/handshake"
LEGACY = "/audioscrobbler/1.2/"

# What other servers put in front of these protocols.
PREFIX = r"(?:/(?:apis?|listenbrainz|audioscrobbler|lastfm|scrobble|compat))*"
LISTENBRAINZ = re.compile(
    rf"""
    {PREFIX} (?: /1 )* /
    (?= (?: submit-listens | validate-token | latest-import | delete-listen | playing-now | stats | cf
          | feedback/recording-feedback | feedback/user | feedback/recording | recommendation | search/users )
        (?: / | $ )
      | user/[^/]+ (?: / | $ )
      | playlist/(?: create | edit | search | [0-9A-Fa-f-]{{36}} ) (?: / | $ ) )
    """,
    re.VERBOSE,
)
BELOW_ONE = re.compile(rf"{PREFIX}/1/(?=.)")
WEB_SERVICE = re.compile(rf"{PREFIX}(?:/2\.0)+/?")
LEGACY_PATH = re.compile(rf"{PREFIX}/1\.2(?:\.1)?/(handshake|nowplaying|submit)/?")
# The pages show a playlist at this address too: only what the protocol adds is taken away from them.
PAGES = re.compile(r"/playlist/[0-9A-Fa-f-]{36}/?")


class Addresses:
    """WSGI middleware that rewrites the path before anything looks at it."""

    def __init__(self, app: Wsgi) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["PATH_INFO"] = rewrite(environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", ""))
        return self.app(environ, start_response)


def rewrite(path: str, query: str = "") -> str:
    """Return the path under which the endpoint that is meant is mounted."""
    if "hs=true" in query and parse_qs(query).get("hs") == ["true"]:
        return HANDSHAKE
    single = re.sub(r"/{2,}", "/", path)
    if found := LEGACY_PATH.fullmatch(single):
        return LEGACY + found[1]
    if WEB_SERVICE.fullmatch(single):
        return "/2.0/"
    if PAGES.fullmatch(single):
        return path
    if found := LISTENBRAINZ.match(single) or BELOW_ONE.match(single):
        return "/1/" + single[found.end() :].rstrip("/")
    return path
