"""The page of a listener who wants to be seen: what they play most, what plays now, their public playlists."""

from functools import partial

from flask import Blueprint

from app.contracts.services import Services
from app.kernel import context
from app.settings import Settings
from app.web import look
from app.web.page import Answer, render
from app.web.parts import gather

TOP = 10
RECENT = 10


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/listeners/<name>")
    def profile(name: str) -> Answer:
        """Show a public profile, to whoever asks; one's own always. Raises ListenerNotFound."""
        listener = services.accounts.find_visible(name[:64])
        is_own = context.actor().listener_id == listener.listener_id
        who, top = listener.listener_id, partial(services.listens.top, timezone=look.look().timezone, limit=TOP)
        # accounts has said that the actor may look: the modules do not know who is public
        with context.acting_as(context.SYSTEM):
            summary, playing, artists, recordings, recent, lists = gather(
                partial(services.listens.summary, who),
                partial(services.listens.get_playing_now, who),
                partial(top, who, "artists", "this_year"),
                partial(top, who, "recordings", "this_year"),
                partial(services.listens.history, who, limit=RECENT),
                partial(services.playlists.list_playlists, who),
            )
        return render(
            "web/profile.html",
            listener=listener,
            is_own=is_own,
            summary=summary,
            playing=playing.value,
            artists=artists,
            recordings=recordings,
            recent=recent,
            lists=[each for each in lists.value or [] if each.is_public],
        )
