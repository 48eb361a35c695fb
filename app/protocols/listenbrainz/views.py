"""The routes of ListenBrainz API v1 as one blueprint."""

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, Response, g, request

from app.contracts.services import Services
from app.protocols.callers import Callers
from app.protocols.listenbrainz import feedback, playlists, reading, recommendations, statistics, submissions
from app.protocols.listenbrainz.answers import Refused, identifier, open_to_all, refusal, tell_rate

PROTOCOL = "listenbrainz"
View = Callable[..., Response]


def blueprint(services: Services, callers: Callers, public_url: str) -> Blueprint:
    """Return the routes; `services` are the modules, wherever they run."""
    bp = Blueprint("listenbrainz", __name__, url_prefix="/1")

    def get(rule: str, view: View) -> None:
        bp.add_url_rule(rule, endpoint=rule.strip("/"), view_func=view, methods=["GET"])

    def post(rule: str, view: View) -> None:
        bp.add_url_rule(rule, endpoint=f"post {rule.strip('/')}", view_func=view, methods=["POST"])

    @bp.before_request
    def identify() -> None:
        """Act as whoever the token stands for; what needs none goes on without."""
        g.outcome = ""
        header = request.headers.get("Authorization")
        if request.method == "OPTIONS" or request.endpoint == "listenbrainz.validate-token":
            return
        if header is None:
            if request.method == "POST":
                raise Refused("You need to provide an Authorization header.", 401)
            return
        token = header.partition(" ")[2].strip()  # whatever the word before it
        if not token:
            raise Refused("Provided Authorization header is invalid.", 401)
        callers.act_as(callers.of_token(token))

    bp.errorhandler(Exception)(refusal)
    bp.after_request(tell_rate)
    bp.after_request(open_to_all)

    @bp.after_request
    def note(response: Response) -> Response:
        header = request.headers.get("Authorization")
        if header or request.method == "POST":
            what = f"{request.method} {request.path}"
            is_accepted = response.status_code < 400
            callers.note(PROTOCOL, what, is_accepted=is_accepted, outcome=g.get("outcome", ""))
        return response

    post("/submit-listens", lambda: submissions.submit(services))
    get("/validate-token", lambda: reading.validate_token(callers))
    add_reading(get, post, services, callers)
    add_feedback(get, post, services, callers)
    add_statistics(get, services, callers)
    add_playlists(get, post, services, callers, public_url)
    get(
        "/cf/recommendation/user/<name>/recording",
        lambda name: recommendations.recordings(services, callers, name, public_url),
    )

    @bp.route("/", defaults={"rest": ""}, methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
    @bp.route("/<path:rest>", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
    def unknown(rest: str) -> Response:
        raise Refused(f"There is no endpoint {request.method} /1/{rest[:100]}.", 404)

    return bp


def add_reading(
    get: Callable[[str, View], None], post: Callable[[str, View], None], services: Services, callers: Callers
) -> None:
    get("/user/<name>/listens", lambda name: reading.listens(services, callers, name))
    get("/user/<name>/listen-count", lambda name: reading.listen_count(services, callers, name))
    get("/user/<name>/playing-now", lambda name: reading.playing_now(services, callers, name))
    get("/user/<name>/similar-users", lambda name: reading.similar_people(services, callers, name))
    get("/user/<name>/similar-to/<other>", lambda name, other: reading.similar_to(services, callers, name, other))
    get("/user/<name>/services", lambda name: reading.services_of(name))
    get("/search/users", lambda: reading.search_people(services))
    get("/latest-import", lambda: reading.latest_import(services, callers))
    post("/latest-import", lambda: reading.set_latest_import(services))
    post("/playing-now/delete", lambda: reading.clear_playing_now(services))
    post("/delete-listen", lambda: reading.delete_listen(services))


def add_feedback(
    get: Callable[[str, View], None], post: Callable[[str, View], None], services: Services, callers: Callers
) -> None:
    def of_recording(key: str, *, is_mbid: bool) -> Response:
        what = "MBID" if is_mbid else "MSID"
        found: UUID = identifier(key, f"{key} {what} format invalid.")
        return feedback.of_recording(services, callers, found, is_mbid=is_mbid)

    post("/feedback/recording-feedback", lambda: feedback.give(services))
    get("/feedback/user/<name>/get-feedback", lambda name: feedback.of_listener(services, callers, name))
    get("/feedback/recording/<key>/get-feedback-mbid", lambda key: of_recording(key, is_mbid=True))
    get("/feedback/recording/<key>/get-feedback", lambda key: of_recording(key, is_mbid=False))
    for add in (get, post):
        add(
            "/feedback/user/<name>/get-feedback-for-recordings",
            lambda name: feedback.for_recordings(services, callers, name),
        )
    post("/recommendation/feedback/submit", lambda: feedback.rate(services))
    post("/recommendation/feedback/delete", lambda: feedback.take_rating_back(services))
    get("/recommendation/feedback/user/<name>", lambda name: feedback.ratings_of(services, callers, name))


def add_statistics(get: Callable[[str, View], None], services: Services, callers: Callers) -> None:
    def of_listener(name: str, what: str) -> Response:
        if what in statistics.TOPS:
            return statistics.tops(services, callers, name, *statistics.TOPS[what])
        if what in statistics.OTHERS:
            return statistics.OTHERS[what](services, callers, name)
        raise Refused(f"There are no statistics called {what[:50]}.", 404)

    def of_everybody(what: str) -> Response:
        if what in statistics.TOPS:
            return statistics.tops_here(services, *statistics.TOPS[what])
        if what == "listening-activity":
            return statistics.activity_here(services)
        raise Refused(f"There are no statistics called {what[:50]}.", 404)

    get("/stats/user/<name>/<what>", of_listener)
    get("/stats/sitewide/<what>", of_everybody)
    get(
        "/stats/user/<name>/year-in-music/<int:year>",
        lambda name, year: statistics.year_in_music(callers, name, year),
    )


def add_playlists(
    get: Callable[[str, View], None],
    post: Callable[[str, View], None],
    services: Services,
    callers: Callers,
    public_url: str,
) -> None:
    def listing(which: str) -> View:
        return lambda name: playlists.playlists_of(services, callers, name, which, public_url)

    for which in ("createdfor", "collaborator", "recommendations", "search"):
        get(f"/user/<name>/playlists/{which}", listing(which))
    get("/user/<name>/playlists", listing("playlists"))
    get("/playlist/<said>", lambda said: playlists.read(services, said, public_url))
    get("/playlist/<said>/xspf", lambda said: playlists.read_xspf(services, said))
    post("/playlist/create", lambda: playlists.create(services))
    post("/playlist/edit/<said>", lambda said: playlists.edit(services, said))
    post("/playlist/<said>/item/add", lambda said: playlists.add_items(services, said, None))
    post("/playlist/<said>/item/add/<int:offset>", lambda said, offset: playlists.add_items(services, said, offset))
    post("/playlist/<said>/item/move", lambda said: playlists.move_items(services, said))
    post("/playlist/<said>/item/delete", lambda said: playlists.delete_items(services, said))
    post("/playlist/<said>/delete", lambda said: playlists.delete(services, said))
    post("/playlist/<said>/copy", lambda said: playlists.copy(services, said))
