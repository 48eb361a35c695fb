"""A clock that can be set for one system and nobody else: `stepped_clock.c`, preloaded into its programs.

libfaketime does the same and more, but its version 0.9.10 breaks the `time.sleep` of Python 3.11 and later.
"""

import mmap
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("stepped_clock.c")


class SteppedClock:
    def __init__(self, folder: Path) -> None:
        self.library, self.file = folder / "stepped_clock.so", folder / "clock"
        self.offset_s = 0
        if not self.file.exists():
            self.file.write_bytes(bytes(8))
        if (compiler := shutil.which("cc")) and not self.is_here:
            command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(self.library), str(SOURCE), "-ldl"]
            subprocess.run(command, check=False, capture_output=True)

    @property
    def is_here(self) -> bool:
        """Say whether it could be compiled."""
        return self.library.exists()

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "STEPPED_CLOCK": str(self.file)} if self.is_here else {}

    def step(self, by_s: int) -> None:
        self.offset_s += by_s
        with self.file.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
            shared[:] = self.offset_s.to_bytes(8, "little", signed=True)
