"""Whether an erased person is gone from everywhere: each module looks, nobody is believed to have done it."""

import hmac
from collections.abc import Callable
from uuid import UUID

from sqlalchemy import text

from app.contracts.accounts import Erasure, InvalidToken
from app.kernel import context
from app.kernel.contract import DomainError
from app.modules.accounts.parts import Part


class Erasures(Part):
    def create_erasure_receipt(self, listener_id: UUID) -> str:
        return f"{listener_id.hex}{self._signed(listener_id)}"

    def get_erasure(self, receipt: str) -> Erasure:
        try:
            listener_id = UUID(receipt[:32])
        except ValueError:
            raise InvalidToken from None
        if not hmac.compare_digest(receipt[32:].encode(), self._signed(listener_id).encode()):
            raise InvalidToken
        services = self.services
        with context.acting_as(context.SYSTEM):
            looks: dict[str, Callable[[], bool]] = {
                "accounts": lambda: self._is_known(listener_id),
                "catalog": lambda: services.catalog.has_traces(listener_id),
                "listens": lambda: services.listens.has_traces(listener_id),
                "recommendations": lambda: services.recommendations.has_traces(listener_id),
                "playlists": lambda: services.playlists.has_traces(listener_id),
                "training": lambda: services.training.has_traces(services.listens.pseudonyms_of([listener_id])[0]),
            }
            waiting = [module for module, look in looks.items() if _is_left(look)]
        return Erasure(not waiting, waiting)

    def _is_known(self, listener_id: UUID) -> bool:
        with self.database.begin() as session:
            found = session.execute(
                text("select exists (select 1 from listener where listener_id = :id)"), {"id": listener_id}
            )
            return bool(found.scalar_one())

    def _signed(self, listener_id: UUID) -> str:
        return self.sealer.mac(b"erasure: " + listener_id.bytes).hex()[:32]


def _is_left(look: Callable[[], bool]) -> bool:
    try:
        return look()
    except DomainError as error:
        if error.status < 500:
            raise
        return True  # nobody can tell: it may be
