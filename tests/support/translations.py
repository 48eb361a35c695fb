"""`python -m tests.support.translations [update]`: are all texts translated? `update` takes new ones into catalogs.

It fails on texts that are missing from a catalog, untranslated, no longer used, or whose placeholders differ, and on
plain text in a template that nobody could translate.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

import app.contracts
from app.kernel.contract import DomainError

ROOT = Path(__file__).resolve().parents[2]
CATALOGS = ROOT / "app" / "translations"
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "N_": None}
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
OPTIONS = {
    "**/templates/**.html": {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
}

# `n | plural("play")` in a template and plural(n, "play") in Python name two texts at once
PLURAL = re.compile(r"""plural\((?:[^"'()]*(?:\([^()]*\))?[^"'()]*,\s*)?"(?P<one>[^"]+)"(?:,\s*"(?P<many>[^"]+)")?\)""")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%")
UNSEEN = frozenset({"contract_mismatch"})  # errors of the program, for its logs
TAG = re.compile(r"</?\w[^>]*>")


def used() -> Catalog:
    """Return the texts that code and templates name."""
    found = Catalog(project="Segue", fuzzy=False)
    for _file, _line, message, comments, meaning in extract_from_dir(
        str(ROOT / "app"), METHODS, OPTIONS, keywords=KEYWORDS, strip_comment_tags=True
    ):
        found.add(message, None, auto_comments=comments, context=meaning)
    for file in sorted(p for p in (ROOT / "app").rglob("*") if p.suffix in {".py", ".html"}):
        for match in PLURAL.finditer(file.read_text()):
            one, many = match["one"], match["many"] or match["one"] + "s"
            found.add((f"%(num)s {one}", f"%(num)s {many}"))
    for module in pkgutil.iter_modules(app.contracts.__path__, "app.contracts."):
        importlib.import_module(module.name)
    for error in DomainError.by_code.values():
        if error.__module__.startswith("app.") and error.code not in UNSEEN:
            found.add(inspect.getdoc(error) or "")
    return found


def troubles_of(catalog: Catalog, texts: Catalog) -> Iterator[str]:
    for message in texts:
        if not message.id:
            continue
        theirs = catalog.get(message.id, message.context)
        name = message.id[0] if isinstance(message.id, tuple) else message.id
        if theirs is None:
            yield f"not in the catalog: {name!r}"
            continue
        strings = [theirs.string] if isinstance(theirs.string, str) else list(theirs.string)
        if theirs.fuzzy or not all(strings):
            yield f"untranslated: {name!r}"
            continue
        for string in strings:
            ids = message.id if isinstance(message.id, tuple) else (message.id,)
            if not any(sorted(PLACEHOLDER.findall(string)) == sorted(PLACEHOLDER.findall(one)) for one in ids):
                yield f"other placeholders: {name!r}"
            elif not any(sorted(TAG.findall(string)) == sorted(TAG.findall(one)) for one in ids):
                yield f"other tags: {name!r}"
            elif '"' in TAG.sub("", string):
                yield f"a straight quotation mark, which would end an attribute: {name!r}"
    for message in catalog:
        if message.id and texts.get(message.id, message.context) is None:
            yield f"no longer used: {message.id!r}"


class Plain(HTMLParser):
    """Collects the words of a template that stand outside of `_()` and `{% trans %}`."""

    SAID = frozenset({"title", "alt", "placeholder", "aria-label"})
    NOT_SAID = frozenset({"code", "pre", "kbd", "script"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth += tag in self.NOT_SAID
        self.found += [value for name, value in attrs if name in self.SAID and value and is_word(value)]

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag in self.NOT_SAID

    def handle_data(self, data: str) -> None:
        if not self.depth and is_word(data):
            self.found.append(" ".join(data.split()))


def is_word(text: str) -> bool:
    return bool(re.search(r"[^\W\d_]{2,}", text.replace("Segue", "")))


JINJA = re.compile(r"{#.*?#}|{%-?\s*trans.*?endtrans\s*-?%}|{%.*?%}|{{.*?}}", re.DOTALL)
# a capital, or several words: classes are named by one, or come as class="…"
IN_EXPRESSION = re.compile(r"""(?<!_\()(?<!\w\()"([A-Z][a-z]*(?: [^"{}<>/]*)?|(?<!=")[a-z]+(?: [a-z]+)+)["]""")


def plain_texts() -> Iterator[str]:
    for file in sorted((ROOT / "app").rglob("templates/**/*.html")):
        if file.name == "design.html":  # for those who work on it
            continue
        source = re.sub(
            r"{%-?\s*block (title|styles|scripts).*?endblock\s*-?%}", _title, file.read_text(), flags=re.DOTALL
        )
        parser = Plain()
        parser.feed(JINJA.sub("", source))
        for words in parser.found:
            yield f"{file.relative_to(ROOT)}: plain text: {words[:80]}"
        for part in re.findall(r"{{.*?}}|{%.*?%}", source, re.DOTALL):
            for words in IN_EXPRESSION.findall(part):
                yield f"{file.relative_to(ROOT)}: plain text in an expression: {words[:80]}"


def _title(match: re.Match[str]) -> str:
    return match[0] if match[1] == "title" else ""


def update(file: Path, texts: Catalog) -> None:
    with file.open("rb") as source:
        catalog = read_po(source, locale=file.stem)
    catalog.update(texts, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    with file.open("wb") as target:
        write_po(target, catalog, width=120, no_location=True, sort_output=True, omit_header=False)


def main(arguments: list[str]) -> int:
    texts, troubles = used(), list(plain_texts())
    for file in sorted(CATALOGS.glob("*.po")):
        if arguments == ["update"]:
            update(file, texts)
        with file.open("rb") as source:
            catalog = read_po(source, locale=file.stem)
        troubles += [f"{file.name}: {trouble}" for trouble in troubles_of(catalog, texts)]
    print(*troubles, sep="\n", end="\n" if troubles else "")  # noqa: T201
    return bool(troubles)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
