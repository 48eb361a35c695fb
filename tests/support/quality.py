"""`python -m tests.support.quality TRAIN TEST [FILE]`: quality against time for every recommender, as a picture.

Each model is chosen, fitted, written, opened and measured by `evaluate` (protocol ranking), one after the other, on one
thread. FILE is an SVG that follows the reader's theme; the figures are printed too.
"""

import math
import sys
from pathlib import Path
from typing import NamedTuple

from app.ml.evaluate import MODELS, evaluate

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 400, 64, 52, 20, 120
STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#333}.axis{stroke:#999}.grid{stroke:#ddd}circle{fill:#0b6e6e}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.axis{stroke:#777}.grid{stroke:#333}circle{fill:#4fc3c3}}"
)


class Point(NamedTuple):
    model: str
    seconds: float
    ndcg: float
    recall: float


def measured(train: Path, test: Path) -> list[Point]:
    points = []
    for model in MODELS["ranking"]:
        found = evaluate("ranking", train=[train], test=test, model=model)
        points.append(Point(model, found["fit_seconds"], found["ndcg"], found["recall"]))
        told = f"{model:14} {points[-1].seconds:8.2f} s  {points[-1].recall:.4f} / {points[-1].ndcg:.4f}"
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()
    return points


def picture(points: list[Point]) -> str:
    """Return an SVG: NDCG@20 by the seconds of fitting, which are on a logarithmic scale.

    What comes to less than half of the best is told in words: the others would lie in one line.
    """
    most = max(p.ndcg for p in points)
    below = [f"{p.model}: {p.ndcg:.3f} in {p.seconds:.2g} s" for p in points if p.ndcg < most / 2]
    points = [p for p in points if p.ndcg >= most / 2]
    powers = [math.log10(p.seconds) for p in points]
    decades = range(math.floor(min(powers)), math.ceil(max(powers)) + 1)
    least, top = math.floor(min(p.ndcg for p in points) * 100), math.ceil(most * 100)

    def x(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(seconds) - decades[0]) / (decades[-1] - decades[0])

    def y(ndcg: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (100 * ndcg - least) / (top - least)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t">',
        f'<title id="t">NDCG@20 by seconds of fitting, for each recommender</title><style>{STYLE}</style>',
    ]
    for step in range(least, top + 1):
        at = y(step / 100)
        lines.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{at + 5:.1f}" text-anchor="end">{step / 100:.2f}</text>')
    for decade in decades:
        at, said = x(10.0**decade), f"{10.0**decade:g} s"
        lines.append(f'<path class="axis" d="M{at:.1f} {HEIGHT - BOTTOM}v6"/>')
        lines.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle">{said}</text>')
    lines.append(f'<path class="axis" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    lines.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">{"; ".join(["choosing and fitting, one thread", *below])}</text>')
    for p in points:
        lines.append(f'<circle cx="{x(p.seconds):.1f}" cy="{y(p.ndcg):.1f}" r="5"/>')
        lines.append(f'<text x="{x(p.seconds) + 9:.1f}" y="{y(p.ndcg) + 5:.1f}">{p.model}</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    found = measured(Path(sys.argv[1]), Path(sys.argv[2]))
    if len(sys.argv) > 3:
        Path(sys.argv[3]).write_text(picture(found))
