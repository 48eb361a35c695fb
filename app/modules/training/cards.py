"""The card of a model: what it is, what it was made of, what it is worth, and what it isn't good for."""

from pathlib import Path
from typing import Any

from app.contracts.training import Model, Snapshot
from app.ml.artefact import DamagedArtefact, read_manifest

ENGINES = {
    "blend": "a weighted sum of linear item-item models and factors, chosen on hidden plays",
    "item-item": "a linear item-item model of what is played together and in one session",
}
LIMITS = (
    "It knows only items that were played here before its snapshot; others are never recommended by it.",
    "It repeats the tastes of those whose plays it was made of: what few play is recommended to few.",
    "Its measures come from hiding a part of past plays, not from asking anybody; an experiment tells more.",
    "It holds no person: rows are items. An item that only one person played may still tell that somebody did.",
)


def card(model: Model, folder: Path, snapshot: Snapshot | None) -> str:
    """Return a model's card as Markdown."""
    try:
        manifest = read_manifest(folder)
    except DamagedArtefact as error:
        manifest = {}
        broken = [f"\nIts files can't be read: {error}.\n"]
    else:
        broken = []
    engine = str(manifest.get("engine", ""))
    parameters = dict(manifest.get("parameters") or {})
    return "\n".join(
        [
            f"# Model {model.number} of {model.kind}",
            "",
            f"{ENGINES.get(engine, engine or 'a linear item-item model').capitalize()}. State: {model.state}.",
            *broken,
            "",
            "| | |",
            "|---|---|",
            f"| Id | `{model.model_id}` |",
            f"| SHA-256 of the manifest | `{model.sha256}` |",
            f"| Made | {model.created_at:%Y-%m-%d %H:%M} UTC |",
            f"| Size | {model.bytes / 1e6:.1f} MB |",
            f"| Format | {manifest.get('format', '?')}, keys of identity {manifest.get('identity', '?')} |",
            f"| Run | {f'`{model.run_id}`' if model.run_id else 'of another instance'} |",
            "",
            "## Data",
            "",
            *_data(model, snapshot),
            "",
            "## Parameters",
            "",
            *(f"- {name}: {value}" for name, value in sorted(parameters.items())),
            "",
            "## Measures",
            "",
            "On plays that were hidden from it; 1 is best. `popularity_…` is what the same is worth for everyone's "
            "favourites.",
            "",
            *(f"- {name}: {'-' if value is None else f'{value:.4f}'}" for name, value in sorted(model.metrics.items())),
            "",
            *_taste(manifest),
            "## Limits",
            "",
            *(f"- {limit}" for limit in LIMITS),
            "",
        ]
    )


def _taste(manifest: dict[str, Any]) -> list[str]:
    taste = manifest.get("taste")
    if not isinstance(taste, dict):
        return []
    names = [", ".join(f"`{key}`" for key in keys) for keys in taste.get("names", [])]
    return [
        "## Taste groups",
        "",
        "Items that the same people play, by their factors. Seeds of the grouping agree to "
        f"{taste.get('stability')} (adjusted Rand index: 1 is wholly, 0 as by chance). Figures are by listeners of "
        "each; each is known by its most played items:",
        "",
        *(f"{number}. {each}" for number, each in enumerate(names, 1)),
        "",
    ]


def _data(model: Model, snapshot: Snapshot | None) -> list[str]:
    if snapshot is None:
        return ["Its snapshot is not kept here." if model.run_id else "It was made on another instance."]
    return [
        f"Snapshot `{model.snapshot_id}` of {snapshot.created_at:%Y-%m-%d}: {snapshot.rows:,} plays and counts of "
        f"{snapshot.listeners:,} listeners (by pseudonym), {snapshot.recordings:,} recordings by "
        f"{snapshot.artists:,} artists."
    ]
