"""`python -m tests.support.screenshots ADDRESS NAME PASSWORD [FOLDER]`: pictures of each page for the documentation.

ADDRESS is a running instance (`make run` fills one with the demo), NAME somebody who may sign in; an administrator's
pages are taken too where it is one. Each page is taken light and dark, on a phone and on a desk, as it is seen first.
"""

import base64
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

SIZES = {360: 740, 1440: 900}
THEMES = ("light", "dark")
QUALITY = 72
OPEN = {"sign-in": "/login"}
OWN = {
    "home": "/",
    "discover": "/discover",
    "history": "/history",
    "search": "/search?q=the",
    "playlists": "/playlists",
    "statistics": "/statistics?range=all_time",
    "account": "/account",
    "import": "/account/imports",
    "players": "/account/players",
    "services": "/account/relays",
    "library": "/account/library",
    "api": "/docs",
}
FOUND = {
    "artist": "a[href^='/artists/']",
    "playlist": "main a[href^='/playlists/']",
    "edit": "a[href^='/history/edit']",
}
ADMIN = {
    "admin": "/admin/",
    "admin-training": "/admin/runs",
    "admin-models": "/admin/models",
    "admin-people": "/admin/users",
}


def main(address: str, name: str, password: str, folder: str = "docs/screenshots") -> None:
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context(
            base_url=address, locale="en-GB", timezone_id="Europe/Berlin", reduced_motion="reduce"
        )
        page = context.new_page()
        page.set_default_timeout(60_000)
        take(page, OPEN, target)
        page.goto("/login")
        page.fill("[name=name]", name)
        page.fill("[name=password]", password)
        page.click("main button.button--main")
        page.wait_for_url("**/")
        pages = {**OWN, **found(page)}
        if page.locator("a[href='/admin/']").count():
            pages |= ADMIN
        take(page, pages, target)
        browser.close()


def found(page: Page) -> dict[str, str]:
    """Return the pages that others lead to."""
    places = {"artist": "/history", "playlist": "/playlists", "edit": "/history"}
    addresses = {}
    for name, selector in FOUND.items():
        page.goto(places[name])
        link = page.locator(selector).first
        if link.count():
            addresses[name] = str(link.get_attribute("href"))
    return addresses


def take(page: Page, pages: dict[str, str], target: Path) -> None:
    protocol = page.context.new_cdp_session(page)
    for name, path in pages.items():
        for width, height in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            reply = page.goto(path, wait_until="networkidle")
            if reply is None or reply.status != 200:
                continue
            for theme in THEMES:
                page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                taken = protocol.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
                (target / f"{name}-{theme}-{width}.webp").write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
