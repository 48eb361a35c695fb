"""The first page: what to hear next and why, and what was played last. Love and hide."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from flask import Blueprint
from msgspec import Meta, Struct, structs

from app.contracts.listens import Kind, PopularItem
from app.contracts.recommendations import Recommendation, Recommendations
from app.contracts.services import Services
from app.kernel.contract import NotFound
from app.kernel.http import parse_form
from app.settings import Settings
from app.web import notes
from app.web.library import playable
from app.web.page import DEMO_CLIENT, Answer, back, me, render
from app.web.parts import AWAY, Part, gather

RECORDINGS = 13  # one large, twelve in the grid
ARTISTS = 8
RECENT = 6
FEW_PLAYS = 20  # below it, the first steps are shown beside what is popular


class FeedbackForm(Struct, frozen=True, forbid_unknown_fields=True):
    value: Annotated[int, Meta(ge=-1, le=1)]
    title: Annotated[str, Meta(max_length=1000)] = ""
    before: Annotated[int, Meta(ge=-1, le=1)] = 0
    back: Annotated[str, Meta(max_length=2000)] = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/")
    def home() -> Answer:
        listener_id = me()
        recordings, artists, recent, feedback = gather(
            partial(services.recommendations.recommend, listener_id, "recordings", RECORDINGS),
            partial(services.recommendations.recommend, listener_id, "artists", ARTISTS),
            partial(services.listens.history, listener_id, limit=RECENT),
            partial(services.listens.get_feedback, listener_id),
        )
        if not recordings or not artists:
            popular = gather(
                partial(services.listens.popular, "recordings", RECORDINGS),
                partial(services.listens.popular, "artists", ARTISTS),
            )
            recordings, artists = recordings or popular_part(popular[0]), artists or popular_part(popular[1])
        listens = recent.value.listens if recent else []
        suggested = recordings.value.items if recordings else []
        said = {item.key: item.value for item in feedback.value} if feedback else {}
        return render(
            "web/home.html",
            recordings=without_hidden(recordings, said),
            artists=without_hidden(artists, said),
            said=said,
            playable=playable(services, [*(r.key for r in suggested), *(x.recording_key for x in listens)]),
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
    name = form.title or ("this artist" if kind == "artists" else "this recording")
    if form.value == 1:
        return f"You love {name}. It counts from now on."
    if form.value == -1:
        where = "Nothing by them is" if kind == "artists" else "It is not"
        return f"{name} is hidden. {where} suggested any more."
    return f"{name} is neither loved nor hidden now."


def without_hidden(part: Part[Recommendations], said: dict[UUID, int]) -> Part[Recommendations]:
    """Return a part without what was hidden a moment ago, which recommendations may not have heard of yet."""
    if not part:
        return part
    kept = [item for item in part.value.items if said.get(item.key) != -1 and said.get(item.artist_key) != -1]
    return Part(structs.replace(part.value, items=kept))


def popular_part(part: Part[list[PopularItem]]) -> Part[Recommendations]:
    """Return what is popular here in the form of recommendations, marked as the fallback it is."""
    if not part:
        return AWAY
    items: list[Any] = [
        Recommendation(item.key, item.title, item.artist, item.artist_key, float(item.listeners), [], 0.0)
        for item in part.value
    ]
    return Part(Recommendations(items, "popular", degraded=True))
