"""Loads a data set through the contracts, in batches of many listeners."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from app.contracts.identity import artist_key, identify
from app.contracts.listens import ListenerListens, NewPlaycount, SubmitResult
from app.contracts.services import Services
from app.datasets.readers import READERS, Content
from app.datasets.registry import DATASETS, BadDataset

T = TypeVar("T")

LISTENERS_A_CALL = 1000
LISTENS_A_CALL = 5000
OTHERS_A_CALL = 5000
DEMO_SEED = 7


@dataclass
class LoadReport:
    listeners: int = 0
    listens: int = 0
    playcounts: int = 0
    duplicates: int = 0
    rejected: int = 0


def load(
    name: str,
    path: Path | None,
    services: Services,
    progress: Callable[[float, str], None],
    now: datetime | None = None,
) -> LoadReport:
    """Load a data set; what is there already is counted as a duplicate. Raises BadDataset before anything is stored."""
    if name not in DATASETS:
        raise BadDataset(f"no data set {name!r}; there are {', '.join(DATASETS)}")
    progress(0.0, "reading")
    content = _content(name, path, services, now or datetime.now(UTC))
    source = "demo data" if name == "demo" else name
    ids: dict[str, UUID] = {}
    for names in _pieces(content.names, LISTENERS_A_CALL):
        found = services.accounts.ensure_listeners(names)
        ids |= {name: listener.listener_id for name, listener in zip(names, found, strict=True)}
    report = LoadReport(listeners=len(ids))
    batches = list(_batches(content, ids))
    counts = list(_pieces(_playcounts(content, ids), OTHERS_A_CALL))
    tags = list(_pieces(content.taggings, OTHERS_A_CALL))
    sounds = list(_pieces(content.sounds, OTHERS_A_CALL))
    done, total = 0, max(1, len(batches) + len(counts) + len(tags) + len(sounds))
    for sound in sounds:
        services.catalog.add_sounds(sound)
        done += 1
    for tagging in tags:
        services.catalog.add_tags(tagging)
        done += 1
    for batch in batches:
        progress(done / total, "listens")
        _count(report, services.listens.load(batch, source), "listens")
        done += 1
    for playcount in counts:
        progress(done / total, "play counts")
        _count(report, services.listens.set_playcounts(playcount, source), "playcounts")
        done += 1
    progress(1.0, "loaded")
    return report


def _content(name: str, path: Path | None, services: Services, now: datetime) -> Content:
    if name == "demo":
        return _demo(services, now)
    if path is None:
        raise BadDataset(f"{name}: say where its files are with --path (they are not part of Segue)")
    if not path.exists():
        raise BadDataset(f"{path}: there is no such file or folder")
    return READERS[name](path, now)


def _demo(services: Services, now: datetime) -> Content:
    """Generate the demo as of now or, where it was loaded before (perhaps not to the end), as of then."""
    from app.datasets.demo import FIRST, generate

    first = services.accounts.ensure_listeners([FIRST])[0]
    made_at = services.listens.summary(first.listener_id).last_listened_at
    return generate(DEMO_SEED, made_at or now)


def _count(report: LoadReport, result: SubmitResult, what: str) -> None:
    setattr(report, what, getattr(report, what) + result.accepted)
    report.duplicates += result.duplicate
    report.rejected += len(result.rejected)


def _batches(content: Content, ids: dict[str, UUID]) -> Iterator[list[ListenerListens]]:
    """Cut the listens of all listeners into calls of about equal size."""
    batch: list[ListenerListens] = []
    size = 0
    for name, listens in content.listens.items():
        for piece in _pieces(listens, LISTENS_A_CALL):
            batch.append(ListenerListens(ids[name], list(piece)))
            size += len(piece)
            if size >= LISTENS_A_CALL:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _playcounts(content: Content, ids: dict[str, UUID]) -> list[NewPlaycount]:
    """Add up rows that fall on one key: a later call would replace the total of an earlier one."""
    totals: dict[tuple[UUID, UUID], NewPlaycount] = {}
    for name, rows in content.playcounts.items():
        for artist, title, plays in rows:
            key = artist_key(artist) if title is None else identify(artist, title).recording_key
            known = totals.get((ids[name], key))
            total = plays + (known.plays if known else 0)
            totals[ids[name], key] = NewPlaycount(ids[name], known.artist if known else artist, title, total)
    return list(totals.values())


def _pieces(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
