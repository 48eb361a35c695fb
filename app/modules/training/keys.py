"""Whose models may serve here: signed by this instance's own key, or one that was imported with a model.

Snapshots are signed with the same key, and only this instance's own are read.
"""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from app.contracts.experiments import TrustedKey
from app.kernel.db import Database
from app.ml.artefact import DamagedArtefact, open_artefact
from app.ml.signature import check, check_signature, key_id, sign
from app.settings import Settings

PRIVATE, PUBLIC = "model_signing_key", "model_signing_public"


def signer(settings: Settings) -> Callable[[Path], None]:
    """Return what signs a written model or snapshot; the key is read then, and by nobody who only serves."""
    return lambda folder: sign(folder, settings.secret(PRIVATE))


def own_signature(settings: Settings) -> Callable[[Path], None]:
    """Return what verifies that this instance signed a manifest. It raises UntrustedArtefact."""

    def verify(folder: Path) -> None:
        own = settings.secret(PUBLIC)
        check_signature(folder, {key_id(own): own})

    return verify


class Keys:
    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings

    def listed(self) -> list[TrustedKey]:
        own = self.settings.secret(PUBLIC)
        with self.database.begin() as session:
            rows = session.execute(
                text("select key_id, public_key, name, added_at from trusted_key order by added_at")
            ).all()
        return [
            TrustedKey(key_id(own), own, "this instance", None, is_own=True),
            *(TrustedKey(row.key_id, row.public_key, row.name, row.added_at, is_own=False) for row in rows),
        ]

    def trusted(self) -> dict[str, str]:
        """Return the public keys (PEM) by their ids."""
        return {key.key_id: key.public_key for key in self.listed()}

    def add(self, public_pem: str, name: str) -> None:
        with self.database.begin() as session:
            session.execute(
                text(
                    """
                    insert into trusted_key (key_id, public_key, name) values (:id, :key, :name)
                    on conflict (key_id) do nothing
                    """
                ),
                {"id": key_id(public_pem), "key": public_pem, "name": name[:200]},
            )

    def refusal(self, folder: Path) -> str | None:
        """Say what is wrong with a model's files here, None where nothing is."""
        try:
            check(folder, self.trusted())
            open_artefact(folder)
        except (DamagedArtefact, OSError) as error:
            return str(error)
        return None
