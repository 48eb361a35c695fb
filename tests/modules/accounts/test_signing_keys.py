"""Keys that sign access tokens: made once, rotated, sealed."""

from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from sqlalchemy import text

from app.composition import Container
from app.contracts.accounts import JwkSet
from app.kernel.context import SYSTEM, acting_as
from tests.modules.accounts.conftest import Instance
from tests.support.people import PASSWORD, new_person


def verify(token: str, keys: JwkSet) -> dict:
    kid = jwt.get_unverified_header(token)["kid"]
    (key,) = [k for k in keys.keys if k.kid == kid]
    public = jwt.PyJWK.from_dict({"kty": key.kty, "crv": key.crv, "x": key.x}).key
    return jwt.decode(token, public, algorithms=["EdDSA"], audience="segue", issuer="segue")


def test_tokens_verify_with_the_published_keys(services: Container) -> None:
    person = new_person(services)
    assert verify(person.token, services.accounts.public_keys())["sub"] == str(person.listener_id)


def test_after_a_rotation_new_tokens_have_the_new_key_and_old_ones_stay_valid(services: Container) -> None:
    person = new_person(services)
    with acting_as(SYSTEM):
        keys = services.accounts.rotate_keys()
    later = services.accounts.login(person.name, PASSWORD).access_token
    assert jwt.get_unverified_header(later)["kid"] == keys.keys[0].kid
    assert jwt.get_unverified_header(person.token)["kid"] != keys.keys[0].kid
    for token in (person.token, later):
        assert verify(token, services.accounts.public_keys())


def test_a_retired_key_is_withdrawn_once_its_tokens_have_expired(instance: Instance) -> None:
    person = instance.person()
    with acting_as(SYSTEM):
        old, new = reversed(instance.accounts.rotate_keys().keys)
    assert jwt.get_unverified_header(person.token)["kid"] == old.kid
    instance.clock.pass_time(minutes=16)
    assert [k.kid for k in instance.accounts.public_keys().keys] == [new.kid, old.kid]
    instance.clock.pass_time(minutes=15)
    assert [k.kid for k in instance.accounts.public_keys().keys] == [new.kid]
    instance.clock.pass_time(minutes=31)
    instance.service.purge()
    with instance.database.begin() as session:
        assert session.execute(text("select kid from signing_key")).scalars().all() == [new.kid]


def test_processes_that_start_at_once_agree_on_one_key(instance: Instance) -> None:
    workers = [instance.with_settings() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        kids = list(pool.map(lambda worker: worker.service.keys.current().kid, workers))
    assert len(set(kids)) == 1


def test_the_private_key_is_sealed_and_gone_after_retirement(instance: Instance) -> None:
    raw = instance.service.keys.current().private_key.private_bytes_raw()
    with instance.database.begin() as session:
        sealed = bytes(session.execute(text("select private_key from signing_key")).scalar_one())
    assert raw not in sealed
    assert len(sealed) == 12 + 32 + 16
    with acting_as(SYSTEM):
        instance.accounts.rotate_keys()
    with instance.database.begin() as session:
        retired = session.execute(text("select private_key from signing_key where retired_at is not null")).scalar_one()
    assert retired is None


def test_with_another_secret_a_new_key_takes_over(instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    person = instance.person()
    moved = instance.with_settings(secret_values={"secret_key": "quite another secret of the instance"})
    later = moved.accounts.login(person.name, PASSWORD).access_token
    keys = moved.accounts.public_keys()
    assert verify(later, keys)
    assert verify(person.token, keys)
    assert "sealed with another" in caplog.text
