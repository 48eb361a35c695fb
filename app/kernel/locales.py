"""The language of a page and the conventions that go with it: texts by gettext, numbers and dates by locale.

Texts are English in the code; `app/translations/<language>.po` holds the others and is read as it is, once a process.
Python says `_("You love %(name)s.", name=name)`, templates the same or `{% trans %}`. A literal percent sign in a text
is written twice; whole numbers among the values are written as the locale does. Texts named before there is a page, as
in a table of a module, are marked by `N_` there and translated where they are shown.
"""

import gettext as catalogs
import inspect
import io
import re
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, format_timedelta
from babel.lists import format_list
from babel.localedata import exists
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from flask.sansio.app import App
from markupsafe import Markup

from app.kernel.contract import DomainError

TRANSLATIONS = Path(__file__).parents[1] / "translations"
LANGUAGES = {"en": "English", "de": "Deutsch"}
USUAL = {"en": "en_GB", "de": "de_DE"}  # where a browser names a language without a place
FORM = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")

_current: ContextVar[str] = ContextVar("locale", default=USUAL["en"])


def use(identifier: str) -> None:
    """Speak as this locale does (en_GB, de_AT) for the rest of the request."""
    _current.set(identifier)


def locale() -> Locale:
    return _parsed(_current.get())


def language() -> str:
    return _current.get().partition("_")[0]


def choose(preferred: str, accepted: list[str]) -> str:
    """Return the locale for a person: of the preferred language ("auto" prefers none) or the first accepted one.

    `accepted` are the browser's tags, best first (de-AT, en); of the language chosen, they say the place too.
    """
    known = [tag.replace("-", "_") for tag in accepted]
    spoken = [tag.partition("_")[0] for tag in known]
    chosen = preferred if preferred in LANGUAGES else next((word for word in spoken if word in LANGUAGES), "en")
    places = (tag for tag in known if tag.startswith(f"{chosen}_") and FORM.fullmatch(tag) and exists(tag))
    return next(places, USUAL[chosen])


def N_(text: str) -> str:  # noqa: N802  (the name that extraction looks for)
    """Mark a text for translation where it is shown."""
    return text


def gettext(text: str, /, **values: Any) -> str:
    return _catalog(language()).gettext(text) % _written(values)


def ngettext(one: str, many: str, num: int, /, **values: Any) -> str:
    return _catalog(language()).ngettext(one, many, num) % _written({"num": num, **values})


def pgettext(meaning: str, text: str, /, **values: Any) -> str:
    """Translate a text that has several meanings."""
    return _catalog(language()).pgettext(meaning, text) % _written(values)


def said(error: DomainError) -> str:
    """Return an error's message in the person's language; where its details have no translation, that of its kind."""
    catalog = _catalog(language())
    for text in (error.message, inspect.getdoc(type(error)) or ""):
        if text and (translated := catalog.gettext(text)) != text:
            return translated
    return error.message


def plural(count: int, one: str, many: str = "") -> str:
    """Return a number of things: 12,345 plays. Texts are found for translation by the words given here."""
    return ngettext(f"%(num)s {one}", f"%(num)s {many or one + 's'}", count)


@lru_cache(maxsize=8)
def _catalog(name: str) -> catalogs.NullTranslations:
    file = TRANSLATIONS / f"{name}.po"
    if not file.exists():
        return catalogs.NullTranslations()
    compiled = io.BytesIO()
    with file.open("rb") as source:
        write_mo(compiled, read_po(source, locale=name))
    compiled.seek(0)
    return catalogs.GNUTranslations(compiled)


@lru_cache(maxsize=64)
def _parsed(identifier: str) -> Locale:
    return Locale.parse(identifier)


def _written(values: dict[str, Any]) -> dict[str, Any]:
    return {name: number(value) if type(value) is int else value for name, value in values.items()}


def number(value: float) -> str:
    return _number(value, _current.get())


@lru_cache(maxsize=4096)
def _number(value: float, identifier: str) -> str:
    return format_decimal(value, locale=_parsed(identifier))


def percent(share: float) -> str:
    """Return a share (0 to 1) as people read it: 42%, or <1%."""
    few = 0 < share < 0.01
    said = format_percent(0.01 if few else share, locale=locale())
    return f"< {said}" if few else said


def time_of_day(moment: datetime) -> str:
    return _time(moment.hour, moment.minute, _current.get())


@lru_cache(maxsize=4096)
def _time(hour: int, minute: int, identifier: str) -> str:
    return format_time(datetime(2000, 1, 1, hour, minute), "short", locale=_parsed(identifier))


def day(moment: date) -> str:
    """Return a day with its year, in short: 3 Mar 2026."""
    return _day(moment.year, moment.month, moment.day, _current.get())


@lru_cache(maxsize=4096)
def _day(year: int, month: int, day_of_month: int, identifier: str) -> str:
    return format_date(date(year, month, day_of_month), "medium", locale=_parsed(identifier))


def moment(when: datetime) -> str:
    return f"{day(when)}, {time_of_day(when)}"


def weekday_and_day(when: date, *, with_year: bool = False) -> str:
    """Return a day in words: Tuesday 3 March."""
    pattern = locale().date_formats["full"].pattern
    return format_date(when, pattern if with_year else re.sub(r",?\s*y+", "", pattern), locale=locale())


def skeleton(form: str, when: date) -> str:
    """Return a day in one of CLDR's forms: yMMM (Mar 2026), MMMd (3 Mar), MMM, y."""
    return format_skeleton(form, when, locale=locale())


def weekday(number_of: int, width: str = "wide") -> str:
    """Return the name of a weekday, 0 being Monday; `width` is wide, abbreviated or narrow."""
    return str(locale().days["stand-alone"][width][number_of])


def first_weekday() -> int:
    """Return the day on which weeks begin here, 0 being Monday."""
    return int(locale().first_week_day)


def since(length: timedelta) -> str:
    """Return how long ago: 2 hours ago."""
    return format_timedelta(-length, add_direction=True, threshold=1, locale=locale())


def listed(names: Sequence[str]) -> str:
    """Return names as one text: A, B and C."""
    return format_list(list(names), locale=locale())


def install(app: App) -> None:
    """Give templates `_`, `gettext`, `ngettext` and `{% trans %}`; what they are given as values is escaped."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.newstyle_gettext = True  # type: ignore[attr-defined]
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.globals.update(_=_gettext, gettext=_gettext, ngettext=_ngettext)
    app.jinja_env.globals.update(pgettext=_pgettext)


def _trusted(text: str) -> Markup:
    return Markup(text)  # noqa: S704  (from a catalog of ours; the values are escaped as they come in)


def _gettext(text: str, /, **values: Any) -> Markup:
    return _trusted(_catalog(language()).gettext(text)) % _written(values)


def _ngettext(one: str, many: str, num: int, /, **values: Any) -> Markup:
    return _trusted(_catalog(language()).ngettext(one, many, num)) % _written({"num": num, **values})


def _pgettext(meaning: str, text: str, /, **values: Any) -> Markup:
    return _trusted(_catalog(language()).pgettext(meaning, text)) % _written(values)
