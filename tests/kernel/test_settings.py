from pathlib import Path

import pytest

from app.settings import SettingsError, load


def test_every_mistake_is_said_at_once_with_its_variable() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"SEGUE_REGISTRATION": "maybe", "SEGUE_ENVIRONMENT": "toy", "SEGUE_CORS_ORIGINS": "*"})
    assert all(name in str(caught.value) for name in ("REGISTRATION", "ENVIRONMENT", "CORS_ORIGINS"))


def test_plain_http_beyond_this_machine_needs_to_be_allowed() -> None:
    with pytest.raises(SettingsError, match="SEGUE_ALLOW_PLAIN_HTTP"):
        load({"SEGUE_PUBLIC_URL": "http://music.example"})
    assert load({"SEGUE_PUBLIC_URL": "http://music.example", "SEGUE_ALLOW_PLAIN_HTTP": "1"}).allow_plain_http
    assert load({"SEGUE_PUBLIC_URL": "https://music.example"}).uses_tls


@pytest.mark.parametrize("value", ["", "short", "changeme", "password"])
def test_a_missing_short_or_well_known_secret_is_refused(tmp_path: Path, value: str) -> None:
    environment = {"SEGUE_DATA_DIR": str(tmp_path)} | ({"SEGUE_SECRET_KEY": value} if value else {})
    with pytest.raises(SettingsError, match="SEGUE_SECRET_KEY"):
        load(environment).secret("secret_key")


def test_a_secret_comes_from_the_environment_a_named_file_or_the_data_folder(tmp_path: Path) -> None:
    secret = "a long enough secret value"
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "secret_key").write_text(secret + "\n")
    (tmp_path / "elsewhere").write_text(secret[::-1])
    assert load({"SEGUE_DATA_DIR": str(tmp_path)}).secret("secret_key") == secret
    named = {"SEGUE_DATA_DIR": str(tmp_path), "SEGUE_SECRET_KEY_FILE": str(tmp_path / "elsewhere")}
    assert load(named).secret("secret_key") == secret[::-1]
    assert load({**named, "SEGUE_SECRET_KEY": secret * 2}).secret("secret_key") == secret * 2


def test_settings_shown_hold_no_secret() -> None:
    settings = load({"SEGUE_SECRET_KEY": "a long enough secret value", "DATABASE_URL": "postgresql://u:hidden@h/d"})
    assert "long enough" not in repr(settings)
    assert "hidden" not in repr(settings)
