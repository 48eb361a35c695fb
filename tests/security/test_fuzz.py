"""Requests made from the OpenAPI document, and made up for the protocols: no failure of ours, nothing told.

SEGUE_FUZZ_EXAMPLES is how many there are for each operation; a long run (700 for each is some 100,000 requests) is
`SEGUE_FUZZ_EXAMPLES=700 python -m pytest tests/security/test_fuzz.py`.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PublicApi
from tests.support.people import PASSWORD, new_person
from tests.support.stack import Stack

EXAMPLES = int(os.environ.get("SEGUE_FUZZ_EXAMPLES", "1"))
SEED = 8
# they would end the session that asks
ENDING = "accounts_(delete_me|logout|end_all_sessions|end_session|change_password)|accounts_rotate_keys"
PROTOCOLS = (
    "/1/submit-listens",
    "/1/validate-token",
    "/1/user/x/listens",
    "/1/stats/user/x/artists",
    "/2.0/",
    "/",
    "/nowplaying",
    "/apis/listenbrainz/1/submit-listens",
)


@pytest.fixture
def told(loopback: Stack, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    return caplog


def log_of(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join([caplog.text, *(str(vars(record)) for record in caplog.records)])


def test_no_request_of_the_document_makes_us_fail(
    loopback: Stack, told: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    admin = new_person(loopback.services, is_admin=True)
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{loopback.base_url}/openapi.json"]
    command += [
        "--header",
        f"Authorization: Bearer {admin.token}",
        "--checks",
        "not_a_server_error",
        "--phases",
        "fuzzing",
    ]
    command += [
        "--max-examples",
        str(EXAMPLES),
        "--seed",
        str(SEED),
        "--workers",
        "4",
        "--no-color",
        "--warnings",
        "off",
    ]
    command += ["--exclude-operation-id-regex", ENDING, "--generation-database", "none", "--continue-on-failure"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout[-6000:] + said.stderr[-2000:]
    log = log_of(told)
    assert "Traceback" not in log
    assert not [secret[:12] for secret in (admin.token, admin.refresh_token, PASSWORD) if secret in log]


def made_up(draw: random.Random) -> bytes:
    """A body that is nearly right, or not at all."""
    odd = draw.choice(["", "\0", "é" * 300, "9" * 40, "[" * 200, "'\";--", "../..", "%00", "NaN"])
    return draw.choice(
        [
            b"",
            odd.encode(),
            b'{"listen_type": "single", "payload": [{"listened_at": %s}]}'
            % draw.choice([b"1", b"-1", b"1e99", b"null"]),
            f'{{"listen_type": {odd!r}, "payload": [{{"track_metadata": {{"artist_name": "{odd}"}}}}]}}'.encode(),
            f"method=track.scrobble&api_key={odd}&sk=x&artist[0]={odd}&track[0]=x&timestamp[0]={odd}".encode(),
            f"s=x&a[0]={odd}&t[0]=y&i[0]={odd}&o[0]=P&l[0]=&b[0]=&n[0]=&m[0]=".encode(),
            draw.randbytes(64),
        ]
    )


def test_no_request_of_a_player_makes_us_fail(loopback: Stack, told: pytest.LogCaptureFixture) -> None:
    draw, api, person = random.Random(SEED), PublicApi(loopback), new_person(loopback.services)
    failed = []
    for _ in range(60 * EXAMPLES):
        method, path = draw.choice(["GET", "POST"]), draw.choice(PROTOCOLS)
        query = draw.choice(
            ["", "?method=auth.getSession&token=x", "?hs=true&p=1.2.1&u=x&t=1&a=1", "?count=-1", "?max_ts=9e9"]
        )
        headers = {"Authorization": draw.choice(["Token x", "Token ", f"Token {person.token}", "Bearer \xe9"])}
        kind = draw.choice(["application/json", "application/x-www-form-urlencoded", "text/plain"])
        reply = api.send(method, path + query, body=made_up(draw), headers={**headers, "Content-Type": kind})
        if reply.status >= 500 or "Traceback" in reply.body.decode(errors="replace"):
            failed.append((method, path + query, reply.status))
    assert failed == []
    log = log_of(told)
    assert "Traceback" not in log
    assert person.token not in log
