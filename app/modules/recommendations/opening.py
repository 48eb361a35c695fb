"""Opening a model: its signature and every byte verified before anything of it is used; once per process and file."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from app.contracts.training import Training
from app.kernel.contract import DomainError
from app.kernel.db import Database
from app.ml.artefact import Artefact, DamagedArtefact, open_artefact
from app.ml.signature import UntrustedArtefact, check, key_id, signer_of
from app.modules.recommendations.answers import REFUSED
from app.modules.recommendations.fetching import ArtefactCache, BrokenDownload
from app.settings import Settings, SettingsError

log = logging.getLogger(__name__)

REPORT_EVERY_S = 5.0


class Opener:
    def __init__(
        self, database: Database, settings: Settings, cache: ArtefactCache, training: Callable[[], Training]
    ) -> None:
        self.database = database
        self.settings = settings
        self.cache = cache
        self.training = training
        self._verified: dict[str, tuple[tuple[str, int, int], ...]] = {}
        self._reported: dict[str, float] = {}

    def open(self, kind: str, sha256: str) -> Artefact | None:
        """Return a model ready to answer, None where it is refused or can't be had; then training is told."""
        try:
            folder = self.cache.folder(sha256)
            self._check(folder)
            stamp = _stamp(folder)
            artefact = open_artefact(folder, is_verified=self._verified.get(sha256) == stamp)
        except (DamagedArtefact, BrokenDownload, DomainError, OSError) as error:
            self._refuse(kind, sha256, error)
            return None
        self._verified[sha256] = stamp
        artefact.place  # noqa: B018 (made here, beside the requests, and not by the first of them)
        return artefact

    def _check(self, folder: Path) -> None:
        """Verify the signature. Raises DamagedArtefact."""
        signer = signer_of(folder)
        trusted = self._own_key()
        if signer not in trusted:
            trusted |= self._kept_keys()
        if signer not in trusted:
            trusted |= self._fetched_keys()
        check(folder, trusted)

    def _own_key(self) -> dict[str, str]:
        try:
            own = self.settings.secret("model_signing_public")
        except SettingsError:
            return {}  # another machine may have none; training says what is trusted
        return {key_id(own): own}

    def _kept_keys(self) -> dict[str, str]:
        with self.database.begin() as session:
            rows = session.execute(text("select key_id, public_key from trusted_key")).all()
        return {row.key_id: row.public_key for row in rows}

    def _fetched_keys(self) -> dict[str, str]:
        found = {key.key_id: key.public_key for key in self.training().trusted_keys()}
        with self.database.begin() as session:
            session.execute(
                text("insert into trusted_key (key_id, public_key) values (:id, :key) on conflict do nothing"),
                [{"id": name, "key": key} for name, key in found.items()],
            )
        return found

    def _refuse(self, kind: str, sha256: str, error: Exception) -> None:
        log.warning(
            "a model is refused; the one before goes on serving",
            extra={"kind": kind, "sha256": sha256, "reason": str(error)},
        )
        REFUSED.labels(kind).inc()
        self._verified.pop(sha256, None)
        if not isinstance(error, DamagedArtefact):
            return
        if not isinstance(error, UntrustedArtefact):
            self.cache.drop(sha256)
        if time.monotonic() >= self._reported.get(sha256, 0.0):
            self._reported[sha256] = time.monotonic() + REPORT_EVERY_S
            try:
                self.training().report_damage(sha256, self.settings.process, str(error))
            except DomainError as away:
                log.info("training can't be told now", extra={"sha256": sha256, "reason": away.message})


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when a file of the folder is written or replaced."""
    found = [(file.name, file.stat()) for file in sorted(folder.iterdir())]
    return tuple((name, stat.st_ino, stat.st_mtime_ns) for name, stat in found)
