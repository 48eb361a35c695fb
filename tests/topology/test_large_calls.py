from datetime import UTC, datetime, timedelta

from app.composition import Container
from app.contracts.listens import ListenerListens, NewListen
from app.kernel.context import SYSTEM, acting_as
from tests.conftest import PublicApi
from tests.support.people import Person


def listens(count: int, padding: int) -> list[NewListen]:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    return [NewListen(start + timedelta(seconds=n), "An artist", f"{n} {'x' * padding}") for n in range(count)]


def test_a_call_between_parts_may_be_larger_than_a_public_request(services: Container, person: Person) -> None:
    with acting_as(SYSTEM):
        result = services.listens.load([ListenerListens(person.listener_id, listens(3000, 1000))], "test")
    assert result.accepted == 3000


def test_a_thousand_long_listens_fit_into_one_submission(api: PublicApi, person: Person) -> None:
    batch = [
        {"listened_at": int(x.listened_at.timestamp()), "artist": x.artist, "title": x.title}
        for x in listens(1000, 4000)
    ]
    reply = api.post("/api/v1/listens", json={"listens": batch}, token=person.token)
    assert (reply.status, reply.json["accepted"]) == (200, 1000)
