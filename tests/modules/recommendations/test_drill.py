"""A drill: a broken model is promoted under load, harms no answer, and is rolled back without anybody's hand."""

import threading
import time

from app.contracts.training import Model
from app.kernel.context import SYSTEM, acting_as
from tests.conftest import PublicApi
from tests.modules.recommendations.test_freshness import know_the_taste, polka  # noqa: F401 (a fixture)
from tests.support.people import Person
from tests.support.planted_models import plant
from tests.support.stack import Stack
from tests.support.waiting import eventually

ADDRESS = "/api/v1/recommendations?kind=recordings&n=5"


class Load:
    """Requests of one listener from four threads, until it is stopped; what they got."""

    def __init__(self, api: PublicApi, token: str) -> None:
        self.api, self.token = api, token
        self.answers: list[tuple[int, bool, str]] = []
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._ending.is_set():
            reply = self.api.get(ADDRESS, token=self.token)
            body = reply.json
            self.answers.append((reply.status, body.get("degraded", True), body.get("model", "")))
            time.sleep(0.02)


def state(stack: Stack, model: Model) -> str:
    with acting_as(SYSTEM):
        return stack.services.training.get_model(model.model_id).state


def test_a_broken_model_promoted_under_load_is_rolled_back_by_itself(
    stack: Stack,
    api: PublicApi,
    polka: Person,  # noqa: F811
) -> None:
    with acting_as(SYSTEM):
        before = next(model for model in stack.services.training.champions() if model.kind == "recordings")
        broken = plant(stack.services, stack.settings, before, "no links")
    with Load(api, polka.token) as load:
        eventually(lambda: len(load.answers) > 10)
        with acting_as(SYSTEM):
            stack.services.training.promote(broken.model_id, "drill")
        eventually(lambda: state(stack, broken) == "rolled_back", within_s=30)
        count = len(load.answers)
        eventually(lambda: len(load.answers) > count + 20, within_s=20)
    assert {(status, degraded) for status, degraded, _ in load.answers} == {(200, False)}
    assert broken.sha256 not in {model for _, _, model in load.answers}
    assert state(stack, before) == "champion"
    with acting_as(SYSTEM):
        assert "by itself" in stack.services.training.transitions(broken.model_id)[-1].reason
