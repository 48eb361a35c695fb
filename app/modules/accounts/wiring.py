"""Builds the service of `accounts` from what it is given."""

import time

from app.contracts.accounts import Accounts
from app.kernel.module import Wired, Wiring
from app.kernel.sealing import Sealer
from app.modules.accounts.parts import Parts
from app.modules.accounts.service import AccountsService
from app.modules.accounts.signing_keys import SigningKeys

PURGE_EVERY_S = 600


def build(w: Wiring) -> Wired:
    sealer = Sealer(w.settings.secret("secret_key"), "accounts", macs_of="refresh tokens")
    keys = SigningKeys(w.database, w.clock, sealer)
    service = AccountsService(Parts(w.settings, w.database, w.clock, sealer, keys, w.services))
    contract: Accounts = service
    purged_at = -float(PURGE_EVERY_S)

    def tick() -> None:
        nonlocal purged_at
        if time.monotonic() - purged_at >= PURGE_EVERY_S:
            service.purge()
            purged_at = time.monotonic()

    return Wired(contract, tick=tick)
