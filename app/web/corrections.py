"""Correcting what things are: the same as another, called otherwise, several artists, by somebody else."""

import re
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from flask import Blueprint, url_for
from msgspec import Meta, Struct

from app.contracts.catalog import (
    Act,
    AlreadyCorrected,
    CircularCorrection,
    InvalidCorrection,
    Merge,
    ReassignArtist,
    Rename,
    SearchResult,
    Shown,
    SplitArtist,
)
from app.contracts.listens import Kind
from app.contracts.services import Services
from app.kernel import context
from app.kernel.contract import InvalidRequest, NotFound
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import gettext as _
from app.kernel.locales import plural, said
from app.settings import Settings
from app.web import notes
from app.web.page import Answer, back, go, me, render
from app.web.parts import gather, part

RESULTS = 15
LISTED = 200

What = Literal["merge", "rename", "split", "reassign"]
Text = Annotated[str, Meta(max_length=2000)]

# How credits of several artists are written; "and" and "x" are words in names too, so a person looks at it first.
BETWEEN = re.compile(r"\s*(?:,|;|/|&|\+| and | with | vs\.? | x | meets )\s*", re.IGNORECASE)


class FindQuery(Struct, frozen=True, forbid_unknown_fields=True):
    q: Annotated[str, Meta(max_length=200)] = ""


class Wish(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants corrected: the words of one of the forms."""

    what: What
    key: UUID
    kind: Kind = "artists"
    target: UUID | None = None
    name: Text = ""
    names: Text = ""
    credit: Literal["first", "all"] = "first"


class WishForm(Wish, frozen=True, forbid_unknown_fields=True):
    scope: Literal["me", "everyone"] = "me"


class UndoForm(Struct, frozen=True, forbid_unknown_fields=True):
    correction_id: UUID
    back: Text = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/artists/<uuid:key>/correct")
    def correct_artist(key: UUID) -> Answer:
        query: FindQuery = parse_query(FindQuery)
        artist = shown_as(services, "artists", key)
        found = found_besides(services, query.q.strip(), artist) if query.q.strip() else None
        return render(
            "web/correct_artist.html", artist=artist, query=query, found=found, suggestion=several(artist.name)
        )

    @bp.get("/recordings/<uuid:key>/correct")
    def correct_recording(key: UUID) -> Answer:
        query: FindQuery = parse_query(FindQuery)
        recording = shown_as(services, "recordings", key)
        found = found_besides(services, query.q.strip(), recording) if query.q.strip() else None
        return render("web/correct_recording.html", recording=recording, query=query, found=found)

    @bp.get("/corrections/confirm")
    def confirm_correction() -> Answer:
        """Say what will happen, and of how many plays."""
        wish: Wish = parse_query(Wish)
        return confirm_page(services, wish)

    @bp.post("/corrections")
    def make_correction() -> Answer:
        form: WishForm = parse_form(WishForm)
        try:
            made = services.catalog.add_correction(form.scope, act_of(form))
        except (AlreadyCorrected, CircularCorrection, InvalidCorrection) as error:
            return confirm_page(services, form, said(error)), 422
        done = {"subject": made.subject, "outcome": made.outcome}
        notes.add(
            _("Done, for everyone: %(subject)s → %(outcome)s.", **done)
            if made.scope == "everyone"
            else _("Done, for you: %(subject)s → %(outcome)s.", **done),
            undo="/corrections/undo",
            fields={"correction_id": made.correction_id},
        )
        return go(address_after(form, made.act))

    @bp.post("/corrections/undo")
    def undo_correction() -> Answer:
        form: UndoForm = parse_form(UndoForm)
        services.catalog.undo_correction(form.correction_id)
        notes.add(_("Undone. It is shown as it was."))
        return back("/account/corrections")

    @bp.get("/account/corrections")
    def corrections() -> Answer:
        own, everyones = gather(
            partial(services.catalog.list_corrections, "me", limit=LISTED),
            partial(services.catalog.list_corrections, "everyone", limit=LISTED),
        )
        return render("web/corrections.html", own=own, everyones=everyones)


def shown_as(services: Services, kind: Kind, key: UUID) -> Shown:
    """Return what a key is shown as to whoever is looking. Raises NotFound."""
    found = services.catalog.resolve(kind, [key], with_unchanged=True)
    if not found:
        raise NotFound("nothing of this key is known here")
    return found[0]


def found_besides(services: Services, text: str, item: Shown) -> SearchResult:
    """Return what a search finds, without the item that another is looked for."""
    found = services.catalog.search(text, RESULTS)
    return SearchResult(
        [artist for artist in found.artists if artist.artist_key != item.key],
        [recording for recording in found.recordings if recording.recording_key != item.key],
    )


def several(name: str) -> list[str]:
    """Return the artists that a credit seems to name; none where it seems to be one."""
    names = [part for part in BETWEEN.split(name) if part.strip()]
    return names if len(names) > 1 else []


def act_of(wish: Wish) -> Act:
    """Return the act that a form asks for. Raises InvalidRequest."""
    match wish.what:
        case "merge":
            if wish.target is None:
                raise InvalidRequest("target: say with what")
            return Merge(wish.kind, [wish.key], wish.target)
        case "rename":
            return Rename(wish.kind, wish.key, wish.name.strip())
        case "split":
            names = [line.strip() for line in wish.names.splitlines() if line.strip()]
            return SplitArtist(wish.key, names, wish.credit)
        case "reassign":
            return ReassignArtist(wish.key, wish.name.strip())


def confirm_page(services: Services, wish: Wish, trouble: str = "") -> str:
    kind: Kind = "recordings" if wish.what == "reassign" or wish.kind == "recordings" else "artists"
    item = shown_as(services, kind, wish.key)
    target = shown_as(services, kind, wish.target) if wish.target else None
    plays = part(partial(services.listens.plays_of, me(), kind, item.key))
    return render(
        "web/correction_confirm.html",
        wish=wish,
        item=item,
        kind=kind,
        says=words_for(wish, kind, item, target),
        plays=plays,
        trouble=trouble,
        may_for_everyone=context.actor().is_admin,
    )


def words_for(wish: Wish, kind: Kind, item: Shown, target: Shown | None) -> list[str]:
    """Return in sentences what a correction will do."""
    name = title_of(item, kind)
    match wish.what:
        case "merge" if target is not None:
            other = title_of(target, kind)
            is_so = _(
                "%(name)s is %(other)s: what was played as the one counts as the other, and is shown so.",
                name=name,
                other=other,
            )
            says = [is_so]
            if kind == "artists":
                says.append(_("Recordings of the same title become one, under %(other)s.", other=other))
            return says
        case "rename":
            return [_("%(name)s is shown as “%(other)s”, wherever it is named.", name=name, other=wish.name.strip())]
        case "split":
            names = [line.strip() for line in wish.names.splitlines() if line.strip()]
            credited = _("each of them") if wish.credit == "all" else names[0] if names else _("the first of them")
            return [
                _(
                    "%(name)s is %(artists)s: %(names)s.",
                    name=name,
                    artists=plural(len(names), "artist"),
                    names=", ".join(names),
                ),
                _("Plays count for %(artist)s.", artist=credited),
            ]
        case "reassign":
            return [_("%(name)s is by %(artist)s: its plays count for them.", name=name, artist=wish.name.strip())]
    return [_("%(name)s is corrected.", name=name)]


def title_of(item: Shown, kind: Kind) -> str:
    return item.name if kind == "artists" else _("“%(title)s” by %(artist)s", title=item.name, artist=item.artist)


def address_after(wish: Wish, act: Act) -> str:
    """Return where to look at what a correction did."""
    match act:
        case Merge(kind="artists") | Rename(kind="artists"):
            return url_for("web.artist", key=wish.target or wish.key)
        case SplitArtist():
            return url_for("web.artist", key=wish.key)
    return url_for("web.history")
