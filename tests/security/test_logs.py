"""What the logs say, and what they must not (line 38)."""

import logging

import pytest

from app.composition import Container
from tests.conftest import PublicApi
from tests.support.people import PASSWORD, new_person
from tests.support.stack import Stack
from tests.support.waiting import eventually


def test_logs_tell_of_sign_ins_and_hold_no_secret(
    api: PublicApi, services: Container, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    person = new_person(services)
    pair = api.post("/api/v1/auth/login", json={"name": person.name, "password": PASSWORD}).json
    made = api.post("/api/v1/me/tokens", token=pair["access_token"]).json
    api.get("/api/v1/me", token=made["token"])
    api.post("/api/v1/auth/login", json={"name": person.name, "password": "a mistyped secret"})
    api.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    api.get("/api/v1/me", token=pair["access_token"][:-4] + "AAAA")

    def logged() -> str:
        files = [file.read_text(errors="replace") for file in stack.settings.data_dir.glob("*.log")]
        return "\n".join([caplog.text, *(str(vars(record)) for record in caplog.records), *files])

    eventually(lambda: str(person.listener_id) in logged() and "login failed" in logged())
    secrets = [PASSWORD, "a mistyped secret", made["token"], pair["refresh_token"], pair["access_token"]]
    secrets += [person.token, person.refresh_token, pair["access_token"].rpartition(".")[2]]
    assert not [secret[:12] for secret in secrets if secret in logged()]
