"""What a person sees of their players' requests."""

from app.composition import Container
from app.kernel.context import acting_as
from tests.protocols.conftest import Player, listen
from tests.support.waiting import eventually


def test_the_last_requests_say_what_was_taken_or_refused_and_why(
    player: Player, other: Player, services: Container, start: int
) -> None:
    player.submit(listen(start))
    player.submit(listen(5))
    player.session()
    with acting_as(player.person.actor):
        eventually(lambda: len(services.accounts.list_requests(player.person.listener_id)) == 3)
        found = services.accounts.list_requests(player.person.listener_id)
        (token,) = services.accounts.list_tokens(player.person.listener_id)
    by_outcome = {each.outcome: each for each in found}
    refused = next(each for outcome, each in by_outcome.items() if "too low" in outcome)
    assert (refused.what, refused.is_accepted) == ("POST /1/submit-listens", False)
    assert {each.token_id for each in found} == {token.token_id}
    assert any(each.protocol == "audioscrobbler 2.0" and each.is_accepted for each in found)
    with acting_as(other.person.actor):
        assert services.accounts.list_requests(other.person.listener_id) == []


def test_an_unknown_token_is_shown_to_admins(player: Player, services: Container, admin) -> None:
    player.get("/1/user/a/listens", token="segue_gone", headers={"User-Agent": f"agent of {player.name}"})
    with acting_as(admin.actor):
        eventually(
            lambda: any(
                each.client == f"agent of {player.name}" and each.listener_id is None
                for each in services.accounts.list_requests(admin.listener_id, 1000)
            )
        )
    with acting_as(player.person.actor):
        assert all(each.listener_id for each in services.accounts.list_requests(player.person.listener_id))
