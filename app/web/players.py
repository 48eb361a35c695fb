"""Players and scrobblers: what to enter in each, a token of its own, and what its last requests came to."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from flask import Blueprint, make_response, request
from msgspec import Meta, Struct

from app.contracts.accounts import ALL_SCOPES, Scope, TokenRequest
from app.contracts.services import Services
from app.kernel.contract import NotFound
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import N_
from app.settings import Settings
from app.web.page import Answer, me, render
from app.web.parts import gather, part

SHOWN = 30
TOKEN = "{token}"  # noqa: S105 - where the token is filled in


@dataclass(frozen=True)
class Player:
    """`lines` are what to enter: a name and what belongs there, or a block of a file where the name is empty."""

    key: str
    name: str
    where: str
    lines: tuple[tuple[str, str], ...]
    scopes: tuple[Scope, ...] = ("scrobble", "read")


PLAYERS = (
    Player(
        "navidrome",
        "Navidrome",
        N_("In Navidrome's environment or navidrome.toml; then paste the token under Personal, ListenBrainz."),
        (("", 'ND_LISTENBRAINZ_BASEURL="{url}/1/"'), (N_("Token"), TOKEN)),
    ),
    Player(
        "web-scrobbler",
        "Web Scrobbler",
        N_("The browser extension: options, accounts, ListenBrainz, its properties."),
        ((N_("API URL"), "{url}/1/submit-listens"), (N_("Token"), TOKEN)),
    ),
    Player(
        "pano",
        "Pano Scrobbler",
        N_("On Android and the desktop: add an account, custom ListenBrainz."),
        ((N_("API URL"), "{url}/"), (N_("Token"), TOKEN)),
        ALL_SCOPES,
    ),
    Player(
        "mpdscribble",
        "mpdscribble (MPD)",
        N_("In mpdscribble.conf."),
        (("", "[segue]\nurl = {url}/\nusername = {name}\npassword = {token}\njournal = /var/cache/mpdscribble/segue"),),
    ),
    Player(
        "mopidy",
        "Mopidy",
        N_("Mopidy-Listenbrainz speaks https only: Segue needs to be behind TLS. In mopidy.conf."),
        (("", "[listenbrainz]\nenabled = true\nurl = {host}\ntoken = {token}"),),
        ALL_SCOPES,
    ),
    Player(
        "multi-scrobbler",
        "multi-scrobbler",
        N_("A client of the kind ListenBrainz, by its environment."),
        (("", "LZ_URL={url}\nLZ_TOKEN={token}\nLZ_USER={name}"),),
        ALL_SCOPES,
    ),
    Player(
        "jellyfin",
        N_("Jellyfin, Plex, Emby and others"),
        N_("Their ListenBrainz plugins ask for an address and a token."),
        ((N_("Address"), "{url}"), (N_("Token"), TOKEN)),
    ),
    Player(
        "rockbox",
        N_("Rockbox, with QTScrobbler"),
        N_("In qtscrob.conf; or bring the .scrobbler.log itself under “Bring your history”."),
        (
            (
                "",
                "[Custom]\nenabled=true\nconf_name=Custom\nusername={name}\npassword_hash=<MD5 of {token}>\n"
                "handshake_host={host}",
            ),
        ),
    ),
    Player(
        "lastfm",
        N_("Anything for Last.fm with an address of its own"),
        N_("GNU FM and Libre.fm settings, Strawberry, Audacious, foobar2000 and the like. The token is the password."),
        (
            (N_("Web service (2.0)"), "{url}/2.0/"),
            (N_("Submissions (1.2)"), "{url}/"),
            (N_("Name"), "{name}"),
            (N_("Password"), TOKEN),
        ),
        ALL_SCOPES,
    ),
    Player(
        "python",
        N_("A script of your own, in Python"),
        N_("With liblistenbrainz."),
        (
            (
                "",
                'import liblistenbrainz\n\nclient = liblistenbrainz.ListenBrainz(api_base_url="{url}")\n'
                'client.set_auth_token("{token}")',
            ),
        ),
        ALL_SCOPES,
    ),
)
BY_KEY = {player.key: player for player in PLAYERS}


class TokenForm(Struct, frozen=True, forbid_unknown_fields=True):
    player: Annotated[str, Meta(max_length=40)]


class WaitQuery(Struct, frozen=True, forbid_unknown_fields=True):
    token: UUID | None = None


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    def page(**values: object) -> str:
        tokens, requests = gather(
            partial(services.accounts.list_tokens, me()), partial(services.accounts.list_requests, me(), SHOWN)
        )
        values = {"issued": None, "chosen": None, "waited": None, **values}
        names = {each.token_id: each.name for each in tokens.value or []}
        url = request.host_url.rstrip("/")
        return render(
            "web/players.html",
            players=PLAYERS,
            requests=requests,
            names=names,
            url=url,
            host=urlsplit(url).netloc,
            **values,
        )

    @bp.get("/account/players")
    def players() -> Answer:
        return page()

    @bp.post("/account/players")
    def connect_player() -> Answer:
        """Make a token for a player, and show it once within the lines to enter."""
        form: TokenForm = parse_form(TokenForm)
        player = BY_KEY.get(form.player)
        if player is None:
            raise NotFound
        issued = services.accounts.create_token(me(), player.name[:100], list(player.scopes))
        return page(issued=issued, chosen=player, waited=waited_for([], issued.api_token.token_id))

    @bp.get("/account/players/requests")
    def player_requests() -> Answer:
        """The last requests and what is waited for, for the script that keeps them fresh."""
        query: WaitQuery = parse_query(WaitQuery)
        tokens, requests = gather(
            partial(services.accounts.list_tokens, me()), partial(services.accounts.list_requests, me(), SHOWN)
        )
        waited = waited_for(requests.value or [], query.token) if query.token else None
        if waited and waited.is_heard:
            waited = waited.with_listen(part(partial(services.listens.history, me(), limit=1)).value)
        names = {each.token_id: each.name for each in tokens.value or []}
        answer = make_response(render("web/_requests.html", requests=requests, names=names, waited=waited))
        answer.headers["X-Segue-Live"] = "1"
        return answer


@dataclass(frozen=True)
class Waited:
    """What is known of a token that was just made: whether it was used, and whether a listen came by it."""

    token_id: UUID
    last: TokenRequest | None
    is_heard: bool
    listen: object | None = None

    def with_listen(self, history: object) -> "Waited":
        listens = getattr(history, "listens", [])
        return Waited(self.token_id, self.last, self.is_heard, listens[0] if listens else None)


def waited_for(requests: list[TokenRequest], token_id: UUID) -> Waited:
    own = [each for each in requests if each.token_id == token_id]
    heard = any(each.is_accepted and is_submission(each.what) for each in own)
    return Waited(token_id, own[0] if own else None, heard)


def is_submission(what: str) -> bool:
    return what.endswith(("submit-listens", "submit")) or what.lower() == "track.scrobble"
