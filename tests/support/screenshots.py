"""`python -m tests.support.screenshots ADDRESS NAME PASSWORD [FOLDER [PAGE …]]`: pictures of pages for the docs.

ADDRESS is a running instance (`make run` fills one with the demo), NAME somebody who may sign in; an administrator's
pages are taken too where it is one. Each page is taken light and dark, on a phone and on a desk, as it is seen first.
"""

import base64
import sys
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

SIZES = {360: 740, 1440: 900}
THEMES = ("light", "dark")
QUALITY = 60
OPEN = {"sign-in": "/login"}
OWN = {
    "home": "/",
    "why": "/why",
    "discover": "/discover",
    "history": "/history",
    "search": "/search?q=the",
    "playlists": "/playlists",
    "statistics": "/statistics?range=this_year",
    "ranked": "/statistics/artists?range=all_time",
    "year": f"/year/{datetime.now(UTC).year}",
    "compare": "/compare",
    "account": "/account",
    "import": "/account/imports",
    "players": "/account/players",
    "services": "/account/relays",
    "library": "/account/library",
    "corrections": "/account/corrections",
    "api": "/docs",
}
ADMIN = {
    "admin": "/admin/",
    "admin-training": "/admin/runs",
    "admin-models": "/admin/models",
    "admin-experiments": "/admin/experiments",
    "admin-data": "/admin/data",
    "admin-corrections": "/admin/corrections",
    "admin-people": "/admin/users",
    "admin-audit": "/admin/audit",
    "admin-services": "/admin/services",
    "admin-workers": "/admin/workers",
    "admin-settings": "/admin/settings",
}
# Pages that others lead to: where, and the link that is followed.
FOUND = {
    "artist": ("/history", "main a[href^='/artists/']"),
    "recording": ("/statistics/recordings?range=all_time", "main a[href^='/recordings/']"),
    "release": ("/statistics/releases?range=all_time", "main a[href^='/releases/']"),
    "radio": ("/", "main a[href^='/discover/radio']"),
    "playlist": ("/playlists", "main .row__title a[href^='/playlists/']"),
    "edit": ("/history", "main a[href^='/history/edit']"),
    "profile": ("/account", "main a[href^='/listeners/']"),
}
FOUND_BY_ADMINS = {
    "admin-run": ("/admin/runs", "main th a[href^='/admin/runs/']"),
    "admin-model": ("/admin/models", "main a[href^='/admin/models/']"),
    "admin-experiment": ("/admin/experiments", "main a[href^='/admin/experiments/']"),
    "admin-snapshot": ("/admin/data", "main a[href^='/admin/data/']"),
}


def main(address: str, name: str, password: str, folder: str = "docs/screenshots", *only: str) -> None:
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
        page.goto("/discover")
        page.locator("form:has([value=jams]) button").click()  # so that there is a playlist
        page.wait_for_url("**/playlists/**")
        is_admin = page.locator("a[href='/admin/']").count() > 0
        pages = OWN | found(page, FOUND)
        if is_admin:
            pages |= ADMIN | found(page, FOUND_BY_ADMINS)
        take(page, {name: path for name, path in pages.items() if not only or name in only}, target)
        browser.close()


def found(page: Page, wanted: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Return the addresses of pages that others lead to."""
    addresses = {}
    for name, (place, selector) in wanted.items():
        page.goto(place)
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
