"""How pages look for a person: theme, time zone, language. The browser keeps it, so most pages need no call for it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from flask import Response, g, request

from app.contracts.accounts import Preferences
from app.contracts.services import Services
from app.kernel import context, locales
from app.kernel.contract import DomainError
from app.kernel.locales import gettext as _
from app.settings import Settings

COOKIE = "segue_look"
MAX_AGE_S = 3600
FORM = re.compile(r"(auto|light|dark)\|([A-Za-z0-9_+\-/]{1,64})\|(auto|[a-z]{2})")


@dataclass(frozen=True, slots=True)
class Look:
    theme: str = "auto"
    timezone: str = "UTC"
    language: str = "auto"

    @property
    def zone(self) -> tzinfo:
        return zone_of(self.timezone)


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo:
    """Return the time zone of an IANA name; UTC where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


@lru_cache(maxsize=1)
def zone_names() -> list[str]:
    places = sorted(n for n in available_timezones() if "/" in n and not n.startswith(("Etc/", "SystemV/")))
    return [*places, "UTC"]


def prepare(services: Services, *, is_page: bool) -> None:
    """Find out how this request's answers look, a page's from the preferences where the cookie does not say."""
    if is_page:
        ask(services)
    speak()


def ask(services: Services) -> None:
    actor = context.actor()
    if actor.listener_id is None or FORM.fullmatch(request.cookies.get(COOKIE, "")):
        return
    try:
        remember(services.accounts.get_preferences(actor.listener_id))
    except DomainError:
        return  # a page in the wrong time zone is better than none


def remember(preferences: Preferences) -> None:
    """Use these preferences from now on, in this browser."""
    g.look = Look(preferences.theme, preferences.timezone, preferences.language)
    g.keep_look = True
    speak()


def speak() -> None:
    """Use the person's language and the conventions of where their browser says they are."""
    locales.use(locales.choose(look().language, [tag for tag, _quality in request.accept_languages]))


def forget() -> None:
    g.drop_look = True


def keep(response: Response, settings: Settings) -> None:
    if g.get("drop_look"):
        response.delete_cookie(COOKIE, secure=settings.uses_tls, httponly=True, samesite="Strict")
    elif g.get("keep_look"):
        response.set_cookie(
            COOKIE,
            f"{g.look.theme}|{g.look.timezone}|{g.look.language}",
            max_age=MAX_AGE_S,
            secure=settings.uses_tls,
            httponly=True,
            samesite="Strict",
        )


def look() -> Look:
    if "look" not in g:
        found = FORM.fullmatch(request.cookies.get(COOKIE, ""))
        g.look = Look(found[1], found[2], found[3]) if found else Look()
    known: Look = g.look
    return known


def local(moment: datetime) -> datetime:
    return moment.astimezone(look().zone)


def day_name(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """Return a day as people say it: Today, Yesterday, Tuesday 3 March, with the year where it is another one."""
    day, today = moment.astimezone(zone).date(), now.astimezone(zone).date()
    if day == today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    return locales.weekday_and_day(day, with_year=day.year != today.year)


def ago(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """Return how long ago, in the coarsest unit that says enough."""
    length = now - moment
    if length < timedelta(minutes=1):
        return _("just now")
    return locales.since(length) if length < timedelta(days=30) else locales.day(moment.astimezone(zone))
