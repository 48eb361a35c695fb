"""Public routes of `listens`."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from app.contracts.listens import (
    MAX_BATCH,
    Activity,
    BatchTooLarge,
    Feedback,
    InvalidRange,
    Kind,
    ListenId,
    ListenPage,
    NewListen,
    PopularItem,
    Range,
    Rejection,
    SubmitResult,
    Top,
)
from app.contracts.relays import Relay, RelayCheck, RelayDirection, RelayOptions, RelayService
from app.contracts.services import Services
from app.contracts.statistics import Entity
from app.kernel import context
from app.kernel.contract import InvalidRequest, NotFound
from app.kernel.routes import Api

api = Api(
    "listens",
    prefixes=("listens", "statistics", "feedback", "popular", "relays"),
    repeatable=("/api/v1/listens",),  # a listen that is there already is a duplicate
)

KINDS: tuple[Kind, ...] = ("recordings", "artists")
ENTITIES: tuple[Entity, ...] = ("artists", "releases", "recordings")


class PublicListen(Struct, frozen=True, forbid_unknown_fields=True):
    """`listened_at` is UNIX seconds or ISO 8601, the start of the play."""

    listened_at: int | float | str
    artist: str
    title: str
    release: str | None = None
    release_artist: str | None = None
    duration_ms: int | None = None
    recording_mbid: UUID | None = None


# Written out where it is used: no type of the body refers to it.
LISTEN_SCHEMA = msgspec.json.schema(PublicListen)["$defs"]["PublicListen"]


class Submission(Struct, frozen=True, forbid_unknown_fields=True):
    """`listens` are looked at one by one: a bad one is reported by its index and does not fail the others."""

    listens: Annotated[list[Any], Meta(extra_json_schema={"items": LISTEN_SCHEMA, "maxItems": MAX_BATCH})]
    client: Annotated[str, Meta(max_length=100)] = "api"


class HistoryQuery(Struct, frozen=True, forbid_unknown_fields=True):
    before: Annotated[str, Meta(max_length=100)] | None = None
    after: Annotated[str, Meta(max_length=100)] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 25
    search: Annotated[str, Meta(max_length=200)] = ""
    artist: UUID | None = None
    client: Annotated[str, Meta(max_length=100)] | None = None


class StatisticsQuery(Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    range: Range = "all_time"
    start: Annotated[str, Meta(max_length=40)] | None = None
    end: Annotated[str, Meta(max_length=40)] | None = None
    tz: Annotated[str, Meta(max_length=64)] = "UTC"
    n: Annotated[int, Meta(ge=1, le=1000)] = 25
    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class Opinion(Struct, frozen=True, forbid_unknown_fields=True):
    value: Annotated[int, Meta(ge=-1, le=1)]


class FeedbackQuery(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind | None = None
    value: Annotated[int, Meta(ge=-1, le=1)] | None = None


class FeedbackList(Struct, frozen=True):
    feedback: list[Feedback]


class PopularQuery(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind = "recordings"
    n: Annotated[int, Meta(ge=1, le=500)] = 20


class PopularList(Struct, frozen=True):
    items: list[PopularItem]


class NewRelay(Struct, frozen=True, forbid_unknown_fields=True):
    """`address` may be left out but for another Segue; `credential` is a token, or of Last.fm the password."""

    service: RelayService
    address: Annotated[str, Meta(max_length=500)] = ""
    user_name: Annotated[str, Meta(max_length=500)] = ""
    credential: Annotated[str, Meta(max_length=500)] = ""
    direction: RelayDirection = "push"
    options: RelayOptions = RelayOptions()


class RelayChange(Struct, frozen=True, forbid_unknown_fields=True):
    is_enabled: bool | None = None
    direction: RelayDirection | None = None
    credential: Annotated[str, Meta(max_length=500)] | None = None


class RelayList(Struct, frozen=True):
    relays: list[Relay]


def me() -> UUID:
    """Return whose listens these are. Raises InvalidRequest where Segue itself asks."""
    listener_id = context.actor().listener_id
    if listener_id is None:
        raise InvalidRequest("only a person has listens")
    return listener_id


@api.route("POST", "/listens", body=Submission, returns=SubmitResult, scope="scrobble")
def submit(services: Services, *, body: Submission) -> SubmitResult:
    """Submit up to 1000 listens; valid ones are stored once, invalid ones are reported by index."""
    if len(body.listens) > MAX_BATCH:
        raise BatchTooLarge
    listens, positions, rejected = [], [], []
    for index, raw in enumerate(body.listens):
        try:
            listens.append(_listen(raw))
            positions.append(index)
        except (msgspec.ValidationError, ValueError, OverflowError, OSError) as error:
            rejected.append(Rejection(index, str(error)))
    result = services.listens.submit(me(), listens, body.client)
    refused = rejected + [Rejection(positions[r.index], r.reason) for r in result.rejected]
    return SubmitResult(result.accepted, result.duplicate, sorted(refused, key=lambda r: r.index))


def _listen(raw: Any) -> NewListen:
    return _new(msgspec.convert(raw, PublicListen))


def _new(given: PublicListen) -> NewListen:
    fields = {name: getattr(given, name) for name in given.__struct_fields__}
    return NewListen(**{**fields, "listened_at": _in_utc(_time(given.listened_at))})


def _in_utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _time(said: int | float | str) -> datetime:
    try:
        if isinstance(said, str) and not said.isdigit():
            return datetime.fromisoformat(said)
        return datetime.fromtimestamp(float(said), UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"listened_at {str(said)[:40]!r} is neither UNIX seconds nor ISO 8601") from None


@api.route("GET", "/listens", query=HistoryQuery, returns=ListenPage)
def history(services: Services, *, query: HistoryQuery) -> ListenPage:
    """One's own listens, newest first; `next` of an answer is `before` of the next."""
    return services.listens.history(
        me(),
        query.before,
        query.after,
        query.limit,
        query.search,
        artist_key=query.artist,
        client=query.client,
    )


@api.route("DELETE", "/listens/<listened_at>/<uuid:recording>")
def delete(services: Services, *, listened_at: str, recording: UUID) -> None:
    """Delete a listen."""
    try:
        services.listens.delete_listen(me(), _in_utc(_time(listened_at)), recording)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None


@api.route("PUT", "/listens/<listened_at>/<uuid:recording>", body=PublicListen)
def edit(services: Services, *, listened_at: str, recording: UUID, body: PublicListen) -> None:
    """Say that a listen was another one: of another recording or release, or at another time."""
    try:
        which = ListenId(_in_utc(_time(listened_at)), recording)
        services.listens.edit_listen(me(), which, _new(body))
    except ValueError as error:
        raise InvalidRequest(str(error)) from None


@api.route("GET", "/statistics/<entity>", query=StatisticsQuery, returns=Top)
def top(services: Services, *, entity: str, query: StatisticsQuery) -> Top:
    """The most played artists, releases or recordings of a range."""
    if entity not in ENTITIES:
        raise NotFound
    start, end = _moment(query.start), _moment(query.end)
    return services.listens.top(me(), entity, query.range, start, end, query.tz, query.n, query.offset)


@api.route("GET", "/statistics/activity", query=StatisticsQuery, returns=Activity)
def activity(services: Services, *, query: StatisticsQuery) -> Activity:
    """Plays over time in a range."""
    return services.listens.activity(me(), query.range, _moment(query.start), _moment(query.end), query.tz)


def _moment(said: str | None) -> datetime | None:
    """Read a time; one without zone stays so: the service takes it in the zone of the query."""
    if said is None:
        return None
    try:
        return _time(said)
    except ValueError:
        raise InvalidRange(f"{said!r} is neither UNIX seconds nor ISO 8601") from None


@api.route("PUT", "/feedback/<kind>/<uuid:key>", body=Opinion)
def set_feedback(services: Services, *, kind: str, key: UUID, body: Opinion) -> None:
    """Love (1), hide (-1) or neither (0)."""
    if kind not in KINDS:
        raise NotFound
    services.listens.set_feedback(me(), kind, key, body.value)


@api.route("GET", "/feedback", query=FeedbackQuery, returns=FeedbackList)
def get_feedback(services: Services, *, query: FeedbackQuery) -> FeedbackList:
    """What one loved and hid, newest first."""
    return FeedbackList(services.listens.get_feedback(me(), query.kind, query.value))


@api.route("GET", "/popular", query=PopularQuery, returns=PopularList)
def popular(services: Services, *, query: PopularQuery) -> PopularList:
    """What most listeners here played."""
    return PopularList(services.listens.popular(query.kind, query.n))


@api.route("GET", "/relays", returns=RelayList)
def list_relays(services: Services) -> RelayList:
    """One's connections to other services, with their state."""
    return RelayList(services.listens.list_relays(me()))


@api.route("POST", "/relays", body=NewRelay, returns=Relay, status=201)
def add_relay(services: Services, *, body: NewRelay) -> Relay:
    """Connect to another service: forward new listens, fetch them, or both."""
    return services.listens.add_relay(
        me(), body.service, body.address, body.user_name, body.credential, body.direction, body.options
    )


@api.route("PATCH", "/relays/<uuid:relay>", body=RelayChange, returns=Relay)
def set_relay(services: Services, *, relay: UUID, body: RelayChange) -> Relay:
    """Pause, resume or turn a connection, or give it a new credential."""
    return services.listens.set_relay(me(), relay, body.is_enabled, body.direction, body.credential)


@api.route("DELETE", "/relays/<uuid:relay>")
def remove_relay(services: Services, *, relay: UUID) -> None:
    """Forget a connection with all that waits to be sent."""
    services.listens.remove_relay(me(), relay)


@api.route("POST", "/relays/<uuid:relay>/retry", returns=Relay)
def retry_relay(services: Services, *, relay: UUID) -> Relay:
    """Try at once, what was not taken included."""
    return services.listens.retry_relay(me(), relay)


@api.route("POST", "/relays/<uuid:relay>/test", returns=RelayCheck)
def test_relay(services: Services, *, relay: UUID) -> RelayCheck:
    """Ask the other service now whether it knows the listener."""
    return services.listens.test_relay(me(), relay)
