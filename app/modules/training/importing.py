"""Taking in a model of another instance: pieces into a folder aside, verified there, then entered as a candidate."""

import re
import shutil
from pathlib import Path

from app.contracts.training import RefusedModel
from app.kernel.contract import InvalidRequest
from app.ml.artefact import DamagedArtefact, open_artefact, read_manifest
from app.ml.signature import SIGNATURE, check, key_id, signer_of
from app.modules.training.artefacts import MANIFEST, MAX_PIECE

NAME = re.compile(r"[a-z][a-z0-9_-]{0,80}\.npy")
SHA256 = re.compile(r"[0-9a-f]{64}")
MOST_BYTES = 8 * 1024**3


def write_piece(models_home: Path, sha256: str, name: str, offset: int, content: bytes) -> None:
    """Write a piece of a file; pieces come in order, and one that comes twice is written where it was."""
    if not SHA256.fullmatch(sha256) or not (NAME.fullmatch(name) or name in {MANIFEST, SIGNATURE}):
        raise InvalidRequest("this is no file of a model")
    if len(content) > MAX_PIECE or not 0 <= offset <= MOST_BYTES:
        raise InvalidRequest("a piece has at most 4 MiB, a file at most 8 GiB")
    folder = aside(models_home, sha256)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    if offset > (file.stat().st_size if file.exists() else 0):
        raise InvalidRequest("a piece before this one is missing")
    with file.open("r+b" if file.exists() else "wb") as out:
        out.seek(offset)
        out.write(content)
        out.truncate()


def verified(models_home: Path, sha256: str, keys: dict[str, str], public_pem: str) -> Path:
    """Return the folder of a model whose files are all there and signed by one of the keys. Raises RefusedModel."""
    if not SHA256.fullmatch(sha256):
        raise RefusedModel("this is no model")
    folder = aside(models_home, sha256)
    named = folder.parent / sha256
    try:
        if folder.exists():
            shutil.rmtree(named, ignore_errors=True)
            folder.rename(named)
        said = signer_of(named)
        if said not in keys:
            if said == key_id(public_pem):
                raise RefusedModel(
                    f"it is signed by the key {said}, which is not trusted here; "
                    "where you know whose that is, import it with --trust NAME"
                )
            raise RefusedModel(f"it is signed by another key, {said}, than the one that came with it")
        check(named, keys)
        manifest = read_manifest(named)
        unknown = {file.name for file in named.iterdir()} - {MANIFEST, SIGNATURE, *manifest["files"]}
        if unknown:
            raise RefusedModel(f"it has files that its manifest doesn't name: {', '.join(sorted(unknown))}")
        open_artefact(named)
        if manifest.get("kind") not in {"recordings", "artists"} or manifest.get("identity") != "v1":
            raise RefusedModel("it is of another kind or of another identity than models here")
    except (DamagedArtefact, OSError, ValueError) as error:
        raise RefusedModel(f"it is damaged: {error}") from None
    return named


def aside(models_home: Path, sha256: str) -> Path:
    return models_home / f"importing-{sha256}" / "pieces"


def forget(models_home: Path, sha256: str) -> None:
    shutil.rmtree(models_home / f"importing-{sha256}", ignore_errors=True)
