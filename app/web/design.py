"""The parts that pages are put together from, live, for whoever works on them: only in development."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

from flask import Blueprint

from app.contracts.services import Services
from app.kernel.contract import NotFound
from app.settings import Settings
from app.web import page
from app.web.page import Answer, render

TOKEN = re.compile(r"--([\w-]+):\s*([^;]+);")
COLOURS = (
    *("ground", "surface", "sunken", "ink", "ink-soft", "line", "line-strong", "accent", "accent-soft", "on-accent"),
    *("love", "love-soft", "warm", "warm-soft", "bad", "bad-soft", "share-1", "share-2", "share-3", "share-rest"),
)
ICONS = re.compile(r'<symbol id="([\w-]+)"')
LONG = "A very long title that goes on and on, as those of symphonies, audio books and jokes do, " * 3
SAMPLES = (("A short title", "Somebody"), (LONG, LONG), ("三毛猫のうた", "صوت"))


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/design")
    def design() -> Answer:
        if settings.environment == "production":
            raise NotFound
        tokens = dict(TOKEN.findall((page.STATIC / "css" / "tokens.css").read_text()))
        because = [
            SimpleNamespace(title=f"Play {n}", artist="Somebody", share=share) for n, share in ((1, 0.5), (2, 0.3))
        ]
        items = [
            SimpleNamespace(
                key=UUID(int=(n << 120) + n * 7919),
                artist_key=UUID(int=n << 121),
                title=title,
                artist=artist,
                because=because,
                other=0.2,
            )
            for n, (title, artist) in enumerate(
                [("A short title", "Somebody"), (LONG, LONG), ("三毛猫のうた", "صوت")], 1
            )
        ]
        return render(
            "web/design.html",
            tokens=tokens,
            colours=COLOURS,
            icons=ICONS.findall((page.STATIC / "icons.svg").read_text()),
            items=items,
            now=datetime.now(UTC),
        )
