"""The files of a model, handed out in pieces to whoever serves it elsewhere."""

import hashlib
import json
from pathlib import Path

from app.contracts.training import ArtefactFile, ModelNotFound

MANIFEST, SIGNATURE = "manifest.json", "signature.json"
MAX_PIECE = 4 * 1024 * 1024


def files(folder: Path) -> list[ArtefactFile]:
    """Return a model's files; the manifest's hash is the folder's name. Raises ModelNotFound."""
    try:
        manifest = (folder / MANIFEST).read_bytes()
        said = json.loads(manifest)["files"]
    except (OSError, ValueError, KeyError):
        raise ModelNotFound("the files of this model are not here") from None
    others = [ArtefactFile(name, facts["bytes"], facts["sha256"]) for name, facts in sorted(said.items())]
    return [ArtefactFile(MANIFEST, len(manifest), folder.name), *others, *_signature(folder)]


def _signature(folder: Path) -> list[ArtefactFile]:
    try:
        signature = (folder / SIGNATURE).read_bytes()
    except OSError:
        return []
    return [ArtefactFile(SIGNATURE, len(signature), hashlib.sha256(signature).hexdigest())]


def read(folder: Path, name: str, offset: int, size: int) -> bytes:
    """Return a piece of a file that the manifest names; nothing else can be read. Raises ModelNotFound."""
    if name not in {file.name for file in files(folder)}:
        raise ModelNotFound("this model has no such file")
    try:
        with (folder / name).open("rb") as opened:
            opened.seek(max(0, offset))
            return opened.read(min(max(0, size), MAX_PIECE))
    except OSError:
        raise ModelNotFound("this file of the model is not here") from None
