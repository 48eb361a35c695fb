"""What waits or ends by a clock goes on when somebody sets the date: tried in a process whose date is really set."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.stack import ROOT
from tests.support.stepped_clock import SteppedClock

BREAKER = """
    from app.kernel.rpc import Breaker, Resilience
    breaker = Breaker("listens", Resilience(breaker_failures=1, breaker_reset_s=0.2))
    breaker.failed()
    assert breaker.is_open
    clock.step(STEP)
    assert breaker.is_open
    time.sleep(0.3)
    assert not breaker.is_open
    breaker.succeeded()
    assert not breaker.is_open
    breaker.failed()
    assert breaker.is_open
"""
SERVICE_TOKENS = """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from app.kernel.tokens import ServiceSigner, ServiceVerifier
    key = Ed25519PrivateKey.generate()
    signer = ServiceSigner("gateway", key)
    under_way = signer.token("listens")
    clock.step(STEP)
    assert ServiceVerifier({"gateway": key.public_key()}).caller(signer.token("listens"), "listens") == "gateway"
    if STEP < 0:
        assert signer.token("listens") != under_way, "it would be good for longer than its life"
        assert ServiceVerifier({"gateway": key.public_key()}).caller(under_way, "listens") == "gateway"
"""
PEOPLE = """
    import base64, jwt
    from types import SimpleNamespace
    from uuid import uuid4
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from app.contracts.accounts import Jwk, JwkSet
    from app.kernel.people import AUDIENCE, ISSUER, People
    key, person = Ed25519PrivateKey.generate(), str(uuid4())
    x = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()

    class Accounts:
        def public_keys(self):
            return JwkSet([Jwk(kid="k", x=x)])

        def exchange_token(self, _api_token):
            claims = {"type": "access", "sub": person, "sid": person, "jti": person, "name": "ann"}
            claims |= {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 900}
            return SimpleNamespace(access_token=jwt.encode(claims, key, "EdDSA", {"kid": "k"}))

    def people(folder):
        return People(Accounts(), SimpleNamespace(data_dir=FOLDER / folder))

    gateway = people("gateway")
    assert gateway.actor_of_api_token("segue_1").name == "ann"
    clock.step(STEP)
    handed_on = gateway.actor_of_api_token("segue_1").token
    assert people("service").actor_of_access_token(handed_on).name == "ann"

    class Slow(Accounts):
        asked = 0

        def exchange_token(self, api_token):
            self.asked += 1
            granted = super().exchange_token(api_token)
            if self.asked == 1:
                clock.step(2 * STEP)
            return granted

    gateway.accounts = Slow()
    assert gateway.actor_of_api_token("segue_2").name == "ann", "it was set between the exchange and the first look"
"""


@pytest.mark.parametrize("step", [-3600, 3600])
@pytest.mark.parametrize("body", [BREAKER, SERVICE_TOKENS, PEOPLE], ids=["breaker", "service tokens", "people"])
def test_a_step_of_the_clock_locks_nobody_out(tmp_path: Path, body: str, step: int) -> None:
    clock = SteppedClock(tmp_path)
    if not clock.is_here:
        pytest.skip("no C compiler")
    begin = f"""
    import time
    from pathlib import Path
    from tests.support.stepped_clock import SteppedClock
    STEP, FOLDER = {step}, Path({str(tmp_path)!r})
    clock = SteppedClock(FOLDER)
    before = time.time()
    clock.step(1000)
    assert 999 < time.time() - before < 1010, "the clock can't be set here"
    """
    program = textwrap.dedent(begin) + textwrap.dedent(body)
    environment = {**os.environ, **clock.environment}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
