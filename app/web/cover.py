"""Covers for what has none: a picture computed from an item's key, the same everywhere and for ever."""

import math
from collections.abc import Callable, Iterator
from uuid import UUID

# Pairs of ground and light, and an accent: hues that sit well on both the light and the dark theme.
PALETTES = (
    ("#0b3b43", "#2b8a83", "#f2c57c"),
    ("#1f2a52", "#4f6bb5", "#f3a683"),
    ("#4a1f3d", "#a8496b", "#f6d186"),
    ("#12423a", "#5aa469", "#efe9ae"),
    ("#5b2a1e", "#c8693b", "#f9dcb0"),
    ("#232946", "#7a6fb0", "#b8e0d2"),
    ("#0f3057", "#3a8fb7", "#ffd3b4"),
    ("#3b2e5a", "#8f71c4", "#ffc8a2"),
    ("#173f35", "#2f9e8f", "#ffb997"),
    ("#402218", "#8e5a3c", "#a9d6c5"),
    ("#1b3a4b", "#468faf", "#f4a3a8"),
    ("#53203a", "#c05673", "#a8dadc"),
)
SIZE = 200


def svg(key: UUID) -> str:
    """Return a square picture as SVG without any style or script."""
    digits = _digits(key)
    ground, light, accent = PALETTES[next(digits) % len(PALETTES)]
    turn = next(digits) * 360 // 256
    draw = MOTIFS[next(digits) % len(MOTIFS)]
    shapes = "".join(draw(digits, light, accent))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" width="{SIZE}" height="{SIZE}">'
        f'<defs><linearGradient id="g" gradientTransform="rotate({turn} .5 .5)">'
        f'<stop offset="0" stop-color="{ground}"/><stop offset="1" stop-color="{light}"/></linearGradient>'
        f'<clipPath id="c"><rect width="{SIZE}" height="{SIZE}"/></clipPath></defs>'
        f'<g clip-path="url(#c)"><rect width="{SIZE}" height="{SIZE}" fill="url(#g)"/>{shapes}</g></svg>'
    )


def _digits(key: UUID) -> Iterator[int]:
    """Yield numbers from 0 to 255 that depend on the key alone (a linear congruential generator on its bits)."""
    state = key.int ^ (key.int >> 64)
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 56


def _between(digit: int, low: float, high: float) -> float:
    return low + (high - low) * digit / 255


def _orbits(digits: Iterator[int], light: str, accent: str) -> Iterator[str]:
    """Rings round a point off the middle, one of them lit."""
    x, y = _between(next(digits), 20, 180), _between(next(digits), 20, 180)
    lit = next(digits) % 6
    for ring in range(8):
        colour, opacity = (accent, 0.95) if ring == lit else (light, 0.75 - ring * 0.06)
        yield (
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{14 + ring * 22}" fill="none" stroke="{colour}" '
            f'stroke-width="{7 if ring == lit else 3}" opacity="{opacity:.2f}"/>'
        )


def _horizon(digits: Iterator[int], light: str, accent: str) -> Iterator[str]:
    """A sun over waves."""
    x, y, r = _between(next(digits), 50, 150), _between(next(digits), 45, 90), _between(next(digits), 22, 46)
    yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{r:.0f}" fill="{accent}" opacity="0.92"/>'
    phase = _between(next(digits), 0, math.tau)
    for wave in range(4):
        top, height = 96 + wave * 26, _between(next(digits), 6, 16)
        points = " ".join(
            f"L{px} {top + height * math.sin(phase + wave * 1.1 + px / 34):.1f}" for px in range(0, SIZE + 10, 10)
        )
        yield f'<path d="M0 {SIZE} {points} L{SIZE} {SIZE}Z" fill="{light}" opacity="{0.28 + wave * 0.14:.2f}"/>'


def _crossfade(digits: Iterator[int], light: str, accent: str) -> Iterator[str]:
    """Two discs that pass into each other."""
    angle, gap, r = _between(next(digits), 0, math.tau), _between(next(digits), 26, 44), _between(next(digits), 46, 66)
    dx, dy = gap * math.cos(angle), gap * math.sin(angle)
    yield f'<circle cx="{100 - dx:.0f}" cy="{100 - dy:.0f}" r="{r:.0f}" fill="{accent}" opacity="0.88"/>'
    yield f'<circle cx="{100 + dx:.0f}" cy="{100 + dy:.0f}" r="{r:.0f}" fill="{light}" opacity="0.78"/>'
    yield f'<circle cx="{100 + dx:.0f}" cy="{100 + dy:.0f}" r="{r * 0.3:.0f}" fill="{accent}" opacity="0.9"/>'


def _bars(digits: Iterator[int], light: str, accent: str) -> Iterator[str]:
    """The bars of a level meter."""
    lit = next(digits) % 9
    for bar in range(9):
        height = _between(next(digits), 24, 168)
        colour, opacity = (accent, 0.95) if bar == lit else (light, 0.72)
        yield (
            f'<rect x="{13 + bar * 20}" y="{(SIZE - height) / 2:.0f}" width="13" height="{height:.0f}" rx="6.5" '
            f'fill="{colour}" opacity="{opacity}"/>'
        )


def _petals(digits: Iterator[int], light: str, accent: str) -> Iterator[str]:
    """Petals round the middle."""
    count, turn = 5 + next(digits) % 5, _between(next(digits), 0, 90)
    for petal in range(count):
        angle = turn + petal * 360 / count
        yield (
            f'<ellipse cx="100" cy="56" rx="25" ry="50" fill="{light}" opacity="0.52" '
            f'transform="rotate({angle:.0f} 100 100)"/>'
        )
    yield f'<circle cx="100" cy="100" r="21" fill="{accent}" opacity="0.95"/>'


def _quilt(digits: Iterator[int], light: str, accent: str) -> Iterator[str]:
    """Quarter discs in a grid."""
    corners = (
        "M0 0H50A50 50 0 0 1 0 50Z",
        "M50 0V50A50 50 0 0 1 0 0Z",
        "M50 50H0A50 50 0 0 1 50 0Z",
        "M0 50V0A50 50 0 0 1 50 50Z",
    )
    for cell in range(16):
        digit = next(digits)
        if digit % 5 == 0:
            continue
        colour, opacity = (accent, 0.9) if digit % 7 == 0 else (light, 0.3 + digit % 4 * 0.15)
        yield (
            f'<path d="{corners[digit // 8 % 4]}" transform="translate({cell % 4 * 50} {cell // 4 * 50})" '
            f'fill="{colour}" opacity="{opacity:.2f}"/>'
        )


MOTIFS: tuple[Callable[[Iterator[int], str, str], Iterator[str]], ...] = (
    _orbits,
    _horizon,
    _crossfade,
    _bars,
    _petals,
    _quilt,
)
