"""What a run has found out so far, in a folder of its own, so that a killed one doesn't begin at nothing."""

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec


class Checkpoint:
    """Small results by name. `inputs` is what they depend on: those of other inputs are not found."""

    def __init__(self, folder: Path | None, inputs: str = "") -> None:
        self.folder = folder
        self.inputs = inputs

    def read(self, name: str) -> Any:
        """Return a result, None where there is none (yet), or it can't be read."""
        if self.folder is None:
            return None
        try:
            kept = msgspec.json.decode((self.folder / f"{name}.json").read_bytes())
        except (OSError, msgspec.DecodeError):
            return None
        return kept["value"] if isinstance(kept, dict) and kept.get("inputs") == self.inputs else None

    def write(self, name: str, value: Any) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"{name}.new"
        with unfinished.open("wb") as out:
            out.write(msgspec.json.encode({"inputs": self.inputs, "value": value}))
            out.flush()
            os.fsync(out.fileno())
        unfinished.rename(self.folder / f"{name}.json")

    def forget(self) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
