"""Files, plain, gzipped or in a zip, as members that are read in small pieces. Nothing is ever written to disk.

A zip can claim anything. Its directory is bounded before it is parsed, names that lead outside and methods that may
take any amount of memory are refused, and so is what expands far more than text ever does.
"""

import gzip
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Protocol

from app.modules.listens.formats.items import Skipped, Unreadable
from app.modules.listens.formats.text import decode, utf8

PIECE_BYTES = 1 << 16
HEAD_BYTES = 1 << 14
MAX_DIRECTORY_BYTES = 8 << 20  # some 60,000 files; parsed it takes about ten times as much
MAX_MEMBERS = 20_000
MAX_BYTES = 16 << 30  # of all that is read; a million listens are about half a GB
MAX_RATIO = 400  # JSON and CSV reach 10 to 60, a bomb a thousand
SMALL_BYTES = 4 << 20  # too little to hurt, whatever the ratio

DAMAGE = (
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
OTHER_ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "RAR",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}
_NESTED = re.compile(r"\.(zip|gz|tgz|7z|rar|tar|bz2|xz|zst)$", re.IGNORECASE)
_OUTSIDE = re.compile(r"^(/|[A-Za-z]:)|(^|/)\.\.(/|$)")


class Opened(Protocol):
    """An open file that gives what it has at once."""

    def read1(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


class Member:
    """A file to read. `size` counts in bytes of text, for a gzipped one in bytes of the gzip."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self.damage = ""  # what went wrong while reading

    def open(self) -> Opened:
        raise NotImplementedError

    def position(self, read: int) -> int:
        """Return how much of `size` is behind us after `read` bytes of text."""
        return min(read, self.size)


class _Plain(Member):
    def __init__(self, path: Path) -> None:
        super().__init__(path.name, path.stat().st_size)
        self.path = path

    def open(self) -> Opened:
        return self.path.open("rb")


class _Gzipped(Member):
    def __init__(self, path: Path) -> None:
        super().__init__(path.name.removesuffix(".gz"), path.stat().st_size)
        self.path = path
        self._raw: io.FileIO | None = None

    def open(self) -> Opened:
        self._raw = io.FileIO(self.path)
        opened = gzip.GzipFile(fileobj=self._raw)
        opened.myfileobj = self._raw  # closed with it
        return opened

    def position(self, read: int) -> int:
        return self._raw.tell() if self._raw and not self._raw.closed else self.size


class _Zipped(Member):
    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> None:
        super().__init__(name, info.file_size)
        self.archive = archive
        self.info = info

    def open(self) -> Opened:
        return self.archive.open(self.info)  # type: ignore[return-value]  # typeshed types read1 by keyword


class Archive:
    """The members of a file, in the order of their names; what is `refused` of them, with the reason.

    A context manager: members are open only inside it. Raises Unreadable.
    """

    def __init__(self, path: Path) -> None:
        self.members: list[Member] = []
        self.refused: list[Skipped] = []
        self._open = ExitStack()
        try:
            self._find(path)
        except OSError as error:
            raise Unreadable(f"The file can't be opened: {error.strerror or error}.") from None

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def _find(self, path: Path) -> None:
        with path.open("rb") as file:
            start = file.read(512)
        if not start:
            raise Unreadable("The file is empty.")
        for magic, name in OTHER_ARCHIVES.items():
            if start.startswith(magic):
                raise Unreadable(f"This is a {name} archive: unpack it, or pack it as a zip.")
        if start[257:262] == b"ustar":
            raise Unreadable("This is a tar archive: unpack it, or pack it as a zip.")
        if start.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
            self._find_in_zip(path)
        elif start.startswith(b"\x1f\x8b"):
            self.members = [_Gzipped(path)]
        else:
            self.members = [_Plain(path)]

    def _find_in_zip(self, path: Path) -> None:
        file = self._open.enter_context(_Bounded(path))
        try:
            archive = self._open.enter_context(zipfile.ZipFile(file))
        except DAMAGE:
            self._open.close()
            raise Unreadable("The zip is damaged or incomplete: download it again.") from None
        except Unreadable:
            self._open.close()
            raise
        infos = [info for info in archive.infolist() if not info.is_dir()]
        if len(infos) > MAX_MEMBERS:
            self._open.close()
            raise Unreadable(f"The zip holds more than {MAX_MEMBERS} files: pack only your listening history.")
        for info in sorted(infos, key=lambda info: info.filename):
            name = info.filename.replace("\\", "/")
            if reason := _objection(info, name):
                self.refused.append(Skipped(printable(name), reason, "file"))
            else:
                self.members.append(_Zipped(archive, info, printable(name)))


class _Bounded(io.FileIO):
    """A file that refuses the one huge read by which a zip's directory would be taken into memory."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise Unreadable("The zip holds too many files: pack only your listening history.")
        return super().read(size) or b""


def _objection(info: zipfile.ZipInfo, name: str) -> str:
    if _OUTSIDE.search(name):
        return "its name leads outside the archive"
    if info.flag_bits & 0x1:
        return "it is encrypted"
    if _NESTED.search(name):
        return "an archive in an archive is not opened"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is compressed by an uncommon method: pack the files again as an ordinary zip"
    if info.file_size > max(SMALL_BYTES, MAX_RATIO * info.compress_size):
        return "it expands far more than text does"
    return ""


def pieces(member: Member) -> Iterator[bytes]:
    """Yield the bytes of a member. Damage ends it early and is told in `member.damage`: what came before is kept."""
    member.damage = ""
    try:
        file = member.open()
    except DAMAGE as error:
        member.damage = _told(error)
        return
    with closing(file):
        read = 0
        while True:
            try:
                piece = file.read1(PIECE_BYTES)
            except DAMAGE as error:
                member.damage = _told(error)
                return
            if not piece:
                return
            read += len(piece)
            if read > max(SMALL_BYTES, MAX_RATIO * member.position(read)):
                member.damage = "it expands far more than text does: the rest is not read"
                return
            yield piece


def head_of(member: Member) -> str:
    """Return the first characters of a member, empty where it is no text or can't be read (`damage` tells)."""
    data, member.damage = b"", ""
    try:
        with closing(member.open()) as file:
            while len(data) < HEAD_BYTES and (piece := file.read1(HEAD_BYTES - len(data))):
                data += piece
    except DAMAGE as error:
        member.damage = _told(error)
    text = decode(b"".join(utf8([data])))[0]
    return "" if "\0" in text else text


def printable(name: str) -> str:
    """Return a file's name as it can be shown and stored."""
    return re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "�", name)[-200:]


def _told(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the file is incomplete: its end is missing"
    return "the file is damaged: what follows can't be read"
