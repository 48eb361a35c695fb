"""What must hold of a page at both widths, in both themes: no barrier that axe finds, nothing wider than the window."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "assets" / "axe.min.js").read_text()
CHECK = "() => axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations)"
Look = tuple[int, Literal["light", "dark"]]
LOOKS: tuple[Look, ...] = (
    (360, "light"),
    (360, "dark"),
    (1440, "light"),
    (1440, "dark"),
)
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def barriers(page: Page, looks: Sequence[Look] = LOOKS) -> list[object]:
    """Return what is found in these looks; the page is as wide afterwards as it was before."""
    page.evaluate(AXE)
    size, found = page.viewport_size, list[object]()
    for width, theme in looks:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # colours do not fade
        if (pixels := page.evaluate(TOO_WIDE)) > 0:
            found.append(f"{pixels} px too wide at {width}")
        found += [
            (width, theme, violation["id"], [node["html"][:160] for node in violation["nodes"][:3]])
            for violation in page.evaluate(CHECK)
        ]
    if size:
        page.set_viewport_size(size)
    return found
