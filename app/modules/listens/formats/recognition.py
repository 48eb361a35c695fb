"""Which service a file comes from, told by its content (and by the names inside a zip)."""

from types import ModuleType

from app.modules.listens.formats import itunes, koito, lastfm, listenbrainz, maloja, rockbox, spotify, tsv, youtube
from app.modules.listens.formats.archive import Archive, Member, head_of
from app.modules.listens.formats.items import Unreadable

# Asked in this order: the general ones come last.
READERS: dict[str, ModuleType] = {
    "listenbrainz": listenbrainz,
    "spotify": spotify,
    "koito": koito,
    "maloja": maloja,
    "youtube": youtube,
    "lastfm": lastfm,
    "itunes": itunes,
    "rockbox": rockbox,
    "tsv": tsv,
}
WITHOUT_HISTORY = {"feedback", "playlist", "playlists", "library", "video"}

Parts = list[tuple[Member, str]]


def chosen(archive: Archive) -> str:
    """Return the format that most of an archive's history is in. Raises Unreadable."""
    found: dict[str, tuple[bool, int]] = {}
    for member in archive.members:
        head = head_of(member)
        for name, reader in READERS.items():
            if what := reader.part(member.name, head):
                has_history, size = found.get(name, (False, 0))
                found[name] = has_history or what not in WITHOUT_HISTORY, size + member.size
                break
    if not found:
        raise Unreadable(_why_not(archive))
    return max(found, key=lambda name: found[name])


def parts_of(archive: Archive, format: str) -> Parts:
    """Return the files of an archive that a format's reader takes, each with what it is."""
    part = READERS[format].part
    return [(member, what) for member in archive.members if (what := part(member.name, head_of(member)))]


def unlike(format: str) -> str:
    return f"The file doesn't look like one of the format {format}."


def _why_not(archive: Archive) -> str:
    if not archive.members:
        if any("encrypted" in refused.reason for refused in archive.refused):
            return "The zip is encrypted: unpack it, or pack it again without a password."
        if archive.refused:
            return f"Nothing in the zip can be read: {archive.refused[0].place}: {archive.refused[0].reason}."
        return "The zip is empty."
    if any(member.damage for member in archive.members):
        return "The file is damaged or incomplete: make or download it again."
    heads = [head_of(member)[:2000].lower() for member in archive.members[:50]]
    if any("<html" in head or "<!doctype html" in head for head in heads):
        return "This is a web page. If it is from Google Takeout, ask there for the history as JSON."
    return "This is no listening history that Segue knows."
