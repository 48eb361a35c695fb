"""A model as one file, from one instance to another: an uncompressed tar of its files, its card and its public key."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from uuid import UUID

from app.cli.shared import SegueError
from app.contracts.services import Services
from app.contracts.training import Model

PIECE = 4 * 1024 * 1024
MANIFEST, SIGNATURE, CARD, KEY = "manifest.json", "signature.json", "card.md", "key.pem"
MOST_TEXT = 10 * 1024 * 1024


class _Pieces(io.RawIOBase):
    """A file of a model, read through the contract."""

    def __init__(self, services: Services, sha256: str, name: str) -> None:
        self.services, self.sha256, self.file, self.offset = services, sha256, name, 0

    def read(self, size: int = -1) -> bytes:
        piece = self.services.training.read_artefact(self.sha256, self.file, self.offset, min(size, PIECE))
        self.offset += len(piece)
        return piece


def export(services: Services, model_id: UUID, file: Path) -> Model:
    """Write a model to a new file. Raises SegueError where it can't serve elsewhere."""
    training = services.training
    model = training.get_model(model_id)
    files = training.artefact_files(model.sha256)
    if SIGNATURE not in {each.name for each in files} or model.state == "quarantined":
        raise SegueError(f"model {model.number} of {model.kind} is {model.state} or unsigned; nobody would take it")
    signature = json.loads(training.read_artefact(model.sha256, SIGNATURE, 0, PIECE))
    key = next(each.public_key for each in training.trusted_keys() if each.key_id == signature["key"])
    try:
        with file.open("xb") as raw, tarfile.open(fileobj=raw, mode="w") as out:
            for each in files:
                _add(out, each.name, each.bytes, _Pieces(services, model.sha256, each.name))
            for name, text in ((CARD, training.model_card(model_id)), (KEY, key)):
                _add(out, name, len(text.encode()), io.BytesIO(text.encode()))
    except FileExistsError:
        raise SegueError(f"{file} is there already") from None
    except OSError as error:
        raise SegueError(f"{file} can't be written: {error.strerror}") from None
    return model


def import_(services: Services, file: Path, trust_as: str) -> Model:
    """Take a model in from a file. Raises SegueError for what is no exported model, RefusedModel for a bad one."""
    try:
        with file.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
            members = {member.name: member for member in archive.getmembers() if member.isfile()}
            for name in (MANIFEST, SIGNATURE, KEY):
                if name not in members:
                    raise SegueError(f"{file} is no exported model: it has no {name}")
            sha256 = hashlib.sha256(_text(archive, members[MANIFEST])).hexdigest()
            for name, member in members.items():
                if name in {CARD, KEY}:
                    continue
                for offset in range(0, member.size, PIECE):
                    raw.seek(member.offset_data + offset)
                    piece = raw.read(min(PIECE, member.size - offset))
                    services.training.write_import(sha256, name, offset, piece)
            return services.training.finish_import(sha256, _text(archive, members[KEY]).decode(), trust_as)
    except (tarfile.TarError, UnicodeDecodeError, EOFError):
        raise SegueError(f"{file} is no exported model, or was cut short") from None
    except OSError as error:
        raise SegueError(f"{file} can't be read: {error.strerror}") from None


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(member)
    return content.read(MOST_TEXT) if content is not None else b""


def _add(out: tarfile.TarFile, name: str, size: int, content: io.BytesIO | _Pieces) -> None:
    facts = tarfile.TarInfo(name)
    facts.size, facts.mode = size, 0o644
    out.addfile(facts, content)
