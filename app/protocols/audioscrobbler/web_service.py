"""The web service 2.0 at `/2.0/`: one address, the method in a parameter, XML or JSON.

Clients carry an API key and secret of their own that a self-hosted service can't know: any key is taken, signatures
are not looked at, and the session key alone says who it is.
"""

from collections.abc import Callable

from flask import Blueprint, Response, g, request

from app.contracts.accounts import (
    AuthorizationExpired,
    AuthorizationPending,
    InvalidCredentials,
    InvalidToken,
    ScrobbleSession,
)
from app.contracts.services import Services
from app.protocols.audioscrobbler import reading, scrobbles
from app.protocols.audioscrobbler.answers import (
    AUTHENTICATION,
    EXPIRED,
    METHOD,
    PENDING,
    SESSION,
    ApiError,
    Node,
    failure,
    success,
)
from app.protocols.audioscrobbler.parameters import given, required
from app.protocols.callers import Callers

PROTOCOL = "audioscrobbler 2.0"
Parameters = dict[str, str]
Method = Callable[[Parameters], Node | None]
SIGN_INS = frozenset({"auth.getsession", "auth.getmobilesession"})
POSTED = frozenset({"track.scrobble", "track.updatenowplaying", "track.love", "track.unlove"})


def blueprint(services: Services, callers: Callers, public_url: str) -> Blueprint:
    bp = Blueprint("audioscrobbler", __name__)
    methods = methods_of(services, callers, public_url)
    bp.errorhandler(Exception)(failure)

    @bp.route("/2.0/", methods=["GET", "POST"])
    def call() -> Response:
        g.outcome, g.what = "", "no method"
        parameters = given()
        g.app = parameters.get("api_key", "")
        (name,) = required(parameters, "method")
        g.what = name[:60]
        method = methods.get(name.lower())
        if method is None:
            raise ApiError(METHOD, "Invalid Method - No method with that name in this package")
        if name.lower() in POSTED and request.method != "POST":
            raise ApiError(METHOD, "Invalid Method - This method must be called by POST")
        if key := parameters.get("sk"):
            callers.act_as(callers.of_session(key))
        elif name.lower() in POSTED:
            raise ApiError(SESSION, "Invalid session key - Please re-authenticate")
        return success(method(parameters))

    @bp.after_request
    def note(response: Response) -> Response:
        if "what" in g:
            outcome = g.get("outcome", "")
            app = g.get("app", "")
            is_sign_in = not outcome and g.what.lower() in SIGN_INS  # what the application reads next needs it noted
            callers.note(PROTOCOL, g.what, is_accepted=not outcome, outcome=outcome, app=app, at_once=is_sign_in)
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return bp


def methods_of(services: Services, callers: Callers, public_url: str) -> dict[str, Method]:
    """Return the methods by their names in lower case."""

    def set_love(value: int) -> Method:
        def method(p: Parameters) -> None:
            scrobbles.set_love(services, p, value)

        return method

    return {
        "auth.gettoken": lambda p: Node("token", services.accounts.start_authorization(_app(p))),
        "auth.getsession": lambda p: _session(services, callers, p),
        "auth.getmobilesession": lambda p: _mobile_session(services, callers, p),
        "track.scrobble": lambda p: scrobbles.scrobble(services, p),
        "track.updatenowplaying": lambda p: scrobbles.now_playing(services, p),
        "track.love": set_love(1),
        "track.unlove": set_love(0),
        "user.getinfo": lambda p: reading.info(services, callers, p, public_url),
        "user.getrecenttracks": lambda p: reading.recent(services, callers, p),
        "user.gettopartists": lambda p: reading.tops(services, callers, p, "artists"),
        "user.gettopalbums": lambda p: reading.tops(services, callers, p, "releases"),
        "user.gettoptracks": lambda p: reading.tops(services, callers, p, "recordings"),
        "user.getlovedtracks": lambda p: reading.loved(services, callers, p),
        "artist.getsimilar": lambda p: reading.similar_artists(services, p),
        "track.getsimilar": lambda p: reading.similar_tracks(services, p),
    }


def _app(parameters: Parameters) -> str:
    return required(parameters, "api_key")[0]


def _session(services: Services, callers: Callers, parameters: Parameters) -> Node:
    (token,) = required(parameters, "token")
    try:
        return _node(callers, services.accounts.finish_authorization(token, _app(parameters)))
    except AuthorizationPending:
        raise ApiError(PENDING, "Unauthorized Token - This token has not been authorized") from None
    except AuthorizationExpired:
        raise ApiError(EXPIRED, "Token has expired") from None
    except InvalidToken:
        raise ApiError(AUTHENTICATION, "Invalid authentication token supplied") from None


def _mobile_session(services: Services, callers: Callers, parameters: Parameters) -> Node:
    (name,) = required(parameters, "username")
    scheme, proof = "token", parameters.get("password", "")
    try:
        if proof:
            session = services.accounts.sign_in_scrobbler(name, proof, "token")
        else:
            (proof,) = required(parameters, "authToken")
            scheme = "mobile"
            session = services.accounts.sign_in_scrobbler(name, proof, "mobile")
    except InvalidCredentials:
        g.app = ""
        what = "the token" if scheme == "token" else "md5(name + md5(token))"
        raise ApiError(
            AUTHENTICATION,
            f"Authentication Failed - the password is an API token with the scope scrobble; {what} does not fit",
        ) from None
    return _node(callers, session)


def _node(callers: Callers, session: ScrobbleSession) -> Node:
    callers.act_as(callers.of_session(session.key))
    children = [Node("name", session.name), Node("key", session.key), Node("subscriber", 0)]
    return Node("session", children=children)
