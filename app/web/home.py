"""The first page: what to hear next and why, and what was played last. Love and hide."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from flask import Blueprint
from msgspec import Meta, Struct, structs

from app.contracts.listens import Kind, PopularItem
from app.contracts.recommendations import Pick, Shelf, Shelves, Shown, Steering, Turned
from app.contracts.services import Services
from app.kernel.contract import NotFound
from app.kernel.http import parse_form, parse_query
from app.kernel.locales import N_
from app.kernel.locales import gettext as _
from app.settings import Settings
from app.web import notes
from app.web.library import playable
from app.web.page import DEMO_CLIENT, Answer, back, me, render
from app.web.parts import AWAY, Part, gather

A_SHELF = 6
RECENT = 6
FEW_PLAYS = 20  # below it, the first steps are shown beside what is popular
KINDS: tuple[Kind, ...] = ("recordings", "artists")


# Other shelves are filled from the listener's own plays or from everybody's.
BY_MODEL = frozenset({"for_now", "deep_cuts", "new_artists"})
UNPLAYED = "unplayed"  # as impressions of that shelf are kept


class Turn(Struct, frozen=True, forbid_unknown_fields=True):
    """The sliders, as they are in the address."""

    novelty: Turned = 0.0
    obscurity: Turned = 0.0
    energy: Turned = 0.0


# What each shelf is called, and where there was nothing new for it.
TITLES = {
    "for_now": (N_("For now"), N_("For now")),
    "deep_cuts": (N_("Deep cuts by artists you love"), N_("Rarely played, by artists you love")),
    "new_artists": (N_("New artists near your taste"), N_("Artists you hardly know yet")),
    "forgotten": (N_("Forgotten favourites"), N_("Forgotten favourites")),
    "popular": (N_("Popular here"), N_("What you play most")),
}


class FeedbackForm(Struct, frozen=True, forbid_unknown_fields=True):
    value: Annotated[int, Meta(ge=-1, le=1)]
    title: Annotated[str, Meta(max_length=1000)] = ""
    before: Annotated[int, Meta(ge=-1, le=1)] = 0
    back: Annotated[str, Meta(max_length=2000)] = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/")
    def home() -> Answer:
        listener_id = me()
        turn: Turn = parse_query(Turn)
        steering = Steering(turn.novelty, turn.obscurity, turn.energy)
        shelves, recent, feedback = gather(
            partial(services.recommendations.shelves, listener_id, steering, A_SHELF),
            partial(services.listens.history, listener_id, limit=RECENT),
            partial(services.listens.get_feedback, listener_id),
        )
        is_fallback = not shelves
        if is_fallback:
            shelves = popular_shelves(*gather(*(partial(services.listens.popular, kind, A_SHELF) for kind in KINDS)))
        listens = recent.value.listens if recent else []
        said = {item.key: item.value for item in feedback.value} if feedback else {}
        shelves = without_hidden(shelves, said)
        suggested = [(shelf, item) for shelf in shelves.value.shelves for item in shelf.items] if shelves else []
        unplayed = shelves.value.unplayed if shelves else []
        keys = [item.key for item in (*(item for _, item in suggested), *unplayed)]
        keys += [listen.recording_key for listen in listens]
        found, _shown = gather(
            partial(playable, services, keys), partial(note_shown, services, listener_id, shelves, suggested)
        )
        return render(
            "web/home.html",
            shelves=shelves,
            is_fallback=is_fallback,
            titles=TITLES,
            turn=turn,
            is_turned=turn != Turn(),
            said=said,
            playable=found.value if found else {},
            recent=recent,
            is_new=bool(recent) and len(listens) < min(RECENT, FEW_PLAYS),
            is_demo=any(listen.client == DEMO_CLIENT for listen in listens),
        )

    @bp.post("/feedback/<kind>/<uuid:key>")
    def feedback(kind: str, key: UUID) -> Answer:
        """Love, hide or neither; the note on the next page undoes it."""
        if kind not in {"recordings", "artists"}:
            raise NotFound
        form: FeedbackForm = parse_form(FeedbackForm)
        which: Kind = "artists" if kind == "artists" else "recordings"
        services.listens.set_feedback(me(), which, key, form.value)
        undo = {"value": form.before, "before": form.value, "title": form.title}
        notes.add(words_for(form, which), undo=f"/feedback/{kind}/{key}", fields=undo)
        return back("/")


def words_for(form: FeedbackForm, kind: Kind) -> str:
    name = form.title or (_("This artist") if kind == "artists" else _("This recording"))
    if form.value == 1:
        return _("You love %(name)s. It counts from now on.", name=name)
    if form.value == -1 and kind == "artists":
        return _("%(name)s is hidden. Nothing by them is suggested any more.", name=name)
    if form.value == -1:
        return _("%(name)s is hidden. It is not suggested any more.", name=name)
    return _("%(name)s is neither loved nor hidden now.", name=name)


def without_hidden(part: Part[Shelves], said: dict[UUID, int]) -> Part[Shelves]:
    """Return shelves without what was hidden a moment ago, which recommendations may not have heard of yet."""
    if not part:
        return part

    def shown(items: list[Pick]) -> list[Pick]:
        return [item for item in items if said.get(item.key) != -1 and said.get(item.artist_key) != -1]

    kept = []
    for shelf in part.value.shelves:
        items = shown(shelf.items)
        if items:
            kept.append(structs.replace(shelf, items=items))
    return Part(structs.replace(part.value, shelves=kept, unplayed=shown(part.value.unplayed)))


def popular_shelves(*parts: Part[list[PopularItem]]) -> Part[Shelves]:
    """Return what is popular here in the form of shelves, marked as the fallback it is."""
    if not all(parts):
        return AWAY
    shelves = [
        Shelf(
            "popular",
            kind,
            [
                Pick(
                    i.key,
                    i.title,
                    i.artist,
                    i.artist_key,
                    float(i.listeners),
                    [],
                    0.0,
                    "popular",
                    listeners=i.listeners,
                )
                for i in part.value
            ],
        )
        for kind, part in zip(KINDS, parts, strict=True)
        if part.value
    ]
    return Part(Shelves(shelves, {}, degraded=True, day=datetime.now(UTC).date()))


def note_shown(
    services: Services, listener_id: UUID, shelves: Part[Shelves], suggested: list[tuple[Shelf, Pick]]
) -> None:
    """Remember what the page shows, unless it is the fallback; what is shown often and never played steps back."""
    if shelves and shelves.value.models:
        models = shelves.value.models
        shown = [Shown(s.kind, item.key, s.name, chooser(s, models)) for s, item in suggested]
        shown += [Shown("recordings", item.key, UNPLAYED, UNPLAYED) for item in shelves.value.unplayed]
        services.recommendations.record_impressions(listener_id, shown)


def chooser(shelf: Shelf, models: dict[Kind, str]) -> str:
    """Return what chose the items of a shelf: a model, or the shelf's own rule."""
    return models.get(shelf.kind, shelf.name) if shelf.name in BY_MODEL else shelf.name
