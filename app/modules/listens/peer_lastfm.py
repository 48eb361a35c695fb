"""Last.fm, or what speaks its web service 2.0. Source: https://www.last.fm/api"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.contracts.listens import NewListen
from app.kernel.outgoing import Outgoing, Reply
from app.modules.listens.peers import (
    PeerAway,
    PeerRefused,
    PeerUnauthorised,
    Play,
    Taken,
    asked,
    brief,
    decoded,
    is_same,
    wait_of,
)

PAGE = 200
NOT_SIGNED_IN = {4, 9, 10, 13, 14, 15, 17, 26}  # wrong password, session or key; only the listener can mend that
BAD_REQUEST = {6, 7}
BUSY = 29
BACKEND_FAILED = {2, 8}  # perhaps after it had taken the listens
# Codes of one listen that was ignored; 5 is the limit of a day.
IGNORED = {
    1: "the artist is ignored there",
    2: "the recording is ignored there",
    3: "it is too old to be taken there",
    4: "its time is in the future",
}
DAILY_LIMIT = 5


class LastFm:
    """`session_key` signs in; where it is "", it is asked for by name and password and handed to `keep`."""

    max_batch = 50
    recognises_repeats = False

    def __init__(
        self,
        outgoing: Outgoing,
        address: str,
        user_name: str,
        credential: str,
        timeout_s: Callable[[], float],
        *,
        api_key: str,
        api_secret: str,
        is_session_key: bool,
        keep: Callable[[str], None],
    ) -> None:
        self.outgoing = outgoing
        self.address = address
        self.user_name = user_name
        self.timeout_s = timeout_s
        self.api_key, self.api_secret = api_key, api_secret
        self.session_key, self.password = (credential, "") if is_session_key else ("", credential)
        self.keep = keep

    def check(self) -> str:
        if not self.password and not self.session_key:  # fetching needs no more than a name
            self._recent(1, 1, 0, 2_000_000_000)
            return self.user_name
        said = self._ask("POST", {"method": "user.getInfo", "sk": self._session()})
        user = said.get("user")
        return str(user.get("name") or self.user_name) if isinstance(user, dict) else self.user_name

    def push(self, plays: Sequence[Play]) -> Taken:
        fields = {"method": "track.scrobble", "sk": self._session()}
        for number, play in enumerate(plays):
            fields |= {f"{name}[{number}]": value for name, value in fields_of(play).items()}
        said = self._ask("POST", fields)
        try:
            found = said["scrobbles"]["scrobble"]
            codes = [int(each["ignoredMessage"]["code"]) for each in (found if isinstance(found, list) else [found])]
        except (KeyError, TypeError, ValueError):
            raise PeerAway("the answer is not one of Last.fm; is the address right?", may_have_arrived=True) from None
        if len(codes) != len(plays):
            raise PeerAway("the answer counts other listens than were sent", may_have_arrived=True)
        refused = {
            play.item_id: IGNORED.get(code, f"it was ignored there (code {code})")
            for play, code in zip(plays, codes, strict=True)
            if code and code != DAILY_LIMIT
        }
        postponed = frozenset(p.item_id for p, code in zip(plays, codes, strict=True) if code == DAILY_LIMIT)
        return Taken(refused, postponed)

    def arrived(self, plays: Sequence[Play]) -> set[int]:
        first, last = (int(pick(play.listened_at for play in plays).timestamp()) for pick in (min, max))
        there: dict[int, list[NewListen]] = {}
        for page in self._pages(first, last + 1):
            for listen in page:
                there.setdefault(int(listen.listened_at.timestamp()), []).append(listen)
        return {
            play.item_id
            for play in plays
            if any(is_same(play, listen) for listen in there.get(int(play.listened_at.timestamp()), ()))
        }

    def pull(self, after: datetime, until: datetime) -> Iterator[list[NewListen]]:
        return self._pages(int(after.timestamp()), int(until.timestamp()))

    def _pages(self, first: int, last: int) -> Iterator[list[NewListen]]:
        """Return pages, oldest first; `last` is fixed, so that nothing moves from one page to another meanwhile."""
        newest, pages = self._recent(1, PAGE, first, last)
        for number in range(pages, 1, -1):
            yield self._recent(number, PAGE, first, last)[0]
        yield newest

    def _recent(self, page: int, limit: int, first: int, last: int) -> tuple[list[NewListen], int]:
        numbers = {"limit": limit, "page": page, "from": first, "to": last}
        fields = {"method": "user.getRecentTracks", "user": self.user_name}
        said = self._ask("GET", fields | {name: str(number) for name, number in numbers.items()})
        try:
            tracks, pages = said["recenttracks"]["track"], int(said["recenttracks"]["@attr"]["totalPages"])
        except (KeyError, TypeError, ValueError):
            raise PeerAway("the answer is not one of Last.fm; is the address right?") from None
        listed = tracks if isinstance(tracks, list) else [tracks]
        return [found for each in listed if (found := listen_of(each)) is not None], pages

    def _session(self) -> str:
        if not self.session_key:
            fields = {"method": "auth.getMobileSession", "username": self.user_name, "password": self.password}
            try:
                said = self._ask("POST", fields)
            except PeerRefused as error:
                raise PeerUnauthorised(str(error)) from None
            session = said.get("session")
            if not isinstance(session, dict) or not session.get("key"):
                raise PeerAway("the answer is not one of Last.fm; is the address right?")
            self.session_key, self.password = str(session["key"]), ""
            self.keep(self.session_key)
        return self.session_key

    def _ask(self, method: str, fields: dict[str, str]) -> dict[str, Any]:
        fields = {**fields, "api_key": self.api_key}
        if method == "POST":
            fields["api_sig"] = signature(fields, self.api_secret)
        sent = {**fields, "format": "json"}
        reply = asked(self.outgoing, method, self.address, fields=sent, timeout_s=self.timeout_s())
        said = decoded(reply)
        if isinstance(said, dict) and "error" in said:
            raise failure_of(said, reply)
        if reply.status == 200 and isinstance(said, dict):
            return said
        if reply.status in {401, 403}:
            raise PeerUnauthorised(f"it answers with status {reply.status}")
        # what is in front of a service (502, 504) does not know whether the service heard
        is_unknown = reply.status == 200 or reply.status >= 500
        wait_s = wait_of(reply.headers) or (60 if reply.status == 429 else None)
        raise PeerAway(f"it answers with status {reply.status}", may_have_arrived=is_unknown, wait_s=wait_s)


def failure_of(said: dict[str, Any], reply: Reply) -> Exception:
    """Return what an error of the web service means."""
    code = said.get("error")
    words = brief(said.get("message"), f"error {code}")
    if code in NOT_SIGNED_IN:
        return PeerUnauthorised(words)
    if code in BAD_REQUEST:
        return PeerRefused(words)
    wait_s = wait_of(reply.headers) or (60 if code == BUSY or reply.status == 429 else None)
    return PeerAway(words, may_have_arrived=code in BACKEND_FAILED, wait_s=wait_s)


def signature(fields: Mapping[str, str], secret: str) -> str:
    """Sign a request: MD5 over its fields in the order of their names, and the secret."""
    signed = "".join(f"{name}{fields[name]}" for name in sorted(fields, key=str.encode) if name != "format")
    return hashlib.md5((signed + secret).encode(), usedforsecurity=False).hexdigest()


def fields_of(play: Play) -> dict[str, str]:
    fields = {"artist": play.artist, "track": play.title, "timestamp": str(int(play.listened_at.timestamp()))}
    if play.release:
        fields["album"] = play.release
    if play.duration_ms:
        fields["duration"] = str(play.duration_ms // 1000)
    if play.extra.get("recording_mbid"):
        fields["mbid"] = str(play.extra["recording_mbid"])
    return fields


def listen_of(raw: Any) -> NewListen | None:
    """Return a track of their history as a listen, None where it is not one: what plays now has no date."""
    try:
        at = datetime.fromtimestamp(int(raw["date"]["uts"]), UTC)
        artist = raw["artist"].get("#text") or raw["artist"]["name"]
        album = raw.get("album") or {}
        return NewListen(at, str(artist), str(raw["name"]), str(album.get("#text") or "") or None)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return None
