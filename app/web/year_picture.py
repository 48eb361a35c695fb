"""A year in one picture, as SVG without style sheets or scripts: it looks the same wherever it is shared."""

from collections.abc import Iterator, Sequence
from html import escape

from app.contracts.statistics import Bucket, Overview, Ranked
from app.kernel import locales
from app.kernel.locales import gettext as _

WIDTH, HEIGHT, MARGIN = 1080, 1350, 80
GROUND, LIGHT, ACCENT, INK, SOFT = "#0b2f33", "#1c6f6a", "#f2c57c", "#f4f8f5", "#a9d3ca"
FONT = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif"
LONGEST = 22


def svg(year: int, figures: Overview, tops: Sequence[Sequence[Ranked]]) -> str:
    """Return the picture: plays, days and artists, plays by month, and the best of each kind."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="{FONT}" role="img"><title>{escape(_("My year %(year)s in music", year=str(year)))}</title>'
        f'<defs><linearGradient id="g" x2="1" y2="1"><stop offset="0" stop-color="{GROUND}"/>'
        f'<stop offset="1" stop-color="{LIGHT}"/></linearGradient></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#g)"/>{"".join(_parts(year, figures, tops))}</svg>'
    )


def _parts(year: int, figures: Overview, tops: Sequence[Sequence[Ranked]]) -> Iterator[str]:
    counts = figures.counts
    for radius in (150, 210, 270, 330):
        ring = f'<circle cx="{WIDTH - 90}" cy="90" r="{radius}" fill="none" stroke="{ACCENT}"'
        yield f'{ring} stroke-opacity=".25" stroke-width="3"/>'
    yield _text(MARGIN, 120, _("My year in music"), 34, SOFT)
    yield _text(MARGIN, 235, str(year), 128, INK, weight=700)
    told = [
        (locales.number(counts.plays), _("plays")),
        (locales.number(counts.artists), _("artists")),
        (locales.number(counts.new_artists), _("new to me")),
        (locales.number(figures.longest_run.days if figures.longest_run else 0), _("days in a row")),
    ]
    for place, (value, word) in enumerate(told):
        x = MARGIN + place * 235
        yield _text(x, 345, value, 52, ACCENT, weight=700)
        yield _text(x, 385, word, 26, SOFT)
    yield from _months(figures.activity)
    artists, recordings, releases = (list(top) for top in tops)
    yield from _list(MARGIN, 760, _("Artists"), [each.title for each in artists[:5]])
    yield from _list(560, 760, _("Recordings"), [each.title for each in recordings[:5]])
    if releases:
        yield _text(MARGIN, 1170, _("Release of the year"), 26, SOFT)
        yield _text(MARGIN, 1218, _cut(f"{releases[0].title} · {releases[0].artist}", 44), 34, INK, weight=600)
    yield _text(MARGIN, HEIGHT - 50, "Segue", 28, ACCENT, weight=700)


def _months(buckets: Sequence[Bucket]) -> Iterator[str]:
    most = max((each.plays for each in buckets), default=0) or 1
    step = (WIDTH - 2 * MARGIN) / max(1, len(buckets))
    for place, each in enumerate(buckets):
        height = max(4, 210 * each.plays / most)
        colour = ACCENT if each.plays == most else SOFT
        yield (
            f'<rect x="{MARGIN + place * step:.1f}" y="{660 - height:.1f}" width="{step * 0.78:.1f}" '
            f'height="{height:.1f}" rx="8" fill="{colour}"/>'
        )


def _list(x: int, y: int, head: str, names: Sequence[str]) -> Iterator[str]:
    yield _text(x, y, head, 26, SOFT)
    for place, name in enumerate(names):
        yield _text(x, y + 62 + place * 60, str(place + 1), 30, ACCENT, weight=700)
        yield _text(x + 44, y + 62 + place * 60, _cut(name, LONGEST), 30, INK, weight=600)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _text(x: float, y: float, text: str, size: int, colour: str, weight: int = 400) -> str:
    shown = escape("".join(c for c in text if c.isprintable()))
    return f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}">{shown}</text>'
