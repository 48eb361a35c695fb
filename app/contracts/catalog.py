"""What a key is called: names of artists, releases and recordings, tags, search, and corrections of them."""

from datetime import datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from msgspec import Meta, Struct

from app.contracts.events import FeedPage
from app.contracts.listens import Kind
from app.kernel.contract import Access, DomainError, command, query

Scope = Literal["me", "everyone"]
Name = Annotated[str, Meta(max_length=1000)]

# What `audio` holds of a recording beside its energy, in this order, named as in audio analyses: loudness in decibels,
# tempo in beats a minute, the others from 0 to 1. Either all of them are known or none.
AUDIO_FEATURES = (
    "danceability",
    "loudness",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
)
AUDIO_GREATEST = 1000.0  # either way: beyond what any analysis says
Audio = Annotated[list[float], Meta(max_length=len(AUDIO_FEATURES))]


class Artist(Struct, frozen=True):
    artist_key: UUID
    name: str
    tags: list[str] = []


class Recording(Struct, frozen=True):
    recording_key: UUID
    title: str
    artist: str
    artist_key: UUID
    release: str | None = None
    tags: list[str] = []


class ArtistPage(Struct, frozen=True):
    artist: Artist
    recordings: list[Recording]
    releases: list[str]


class SearchResult(Struct, frozen=True):
    artists: list[Artist]
    recordings: list[Recording]


class Tagging(Struct, frozen=True):
    """Tags of an artist, or of a recording where `title` is given."""

    artist: str
    title: str | None
    tags: list[str]


class Merge(Struct, frozen=True, tag="merge"):
    """The sources are the target: plays of theirs are plays of it, earlier and later ones."""

    kind: Kind
    sources: Annotated[list[UUID], Meta(max_length=100)]
    target: UUID


class Rename(Struct, frozen=True, tag="rename"):
    """An artist or recording is shown under another name; it stays the one it is."""

    kind: Kind
    key: UUID
    name: Name


class SplitArtist(Struct, frozen=True, tag="split_artist"):
    """A credit such as "A & B" is several artists: plays count for the first of them, or for all."""

    artist_key: UUID
    names: Annotated[list[Name], Meta(max_length=10)]
    credit: Literal["first", "all"] = "first"


class ReassignArtist(Struct, frozen=True, tag="reassign_artist"):
    """A recording is by another artist."""

    recording_key: UUID
    artist: Name


Act = Merge | Rename | SplitArtist | ReassignArtist


class Correction(Struct, frozen=True):
    """A correction that holds; `subject` and `outcome` say in names what became what."""

    correction_id: UUID
    scope: Scope
    act: Act
    subject: str
    outcome: str
    created_at: datetime


class KeptRecording(Struct, frozen=True):
    artist: str
    title: str


class KeptCorrection(Struct, frozen=True):
    """A correction as it is taken along: with the names of all that it names, so that it holds where they are new."""

    act: Act
    artists: dict[UUID, str]
    recordings: dict[UUID, KeptRecording]
    created_at: datetime


class Shown(Struct, frozen=True):
    """What a key is shown as where corrections say something of it."""

    from_key: UUID
    key: UUID
    name: str
    artist: str
    artist_key: UUID


class Alias(Struct, frozen=True):
    """A line of the mapping that all corrections of a view amount to.

    Plays of `from_key` are plays of `to_key`, called `name`. Where a credit is several artists the first has place 0.
    `artist_key` (raw: its own alias applies) and `artist` are given where a recording is by another artist than its
    listens say.
    """

    kind: Kind
    from_key: UUID
    to_key: UUID
    name: str
    place: int = 0
    artist_key: UUID | None = None
    artist: str | None = None


class Key(Struct, frozen=True):
    kind: Kind
    key: UUID


class Corrected(Struct, frozen=True, tag="corrected"):
    """The mapping of a view changed: the aliases of these keys are now `aliases`; `gone` have none any more.

    The view is a listener's own, or (None) everyone's. A key's own alias is instead of everyone's. Of one key all
    aliases come in one event. `correction_id` is what it comes from, None for names that were learned later.
    """

    listener_id: UUID | None
    correction_id: UUID | None
    aliases: list[Alias]
    gone: list[Key]


class CorrectionUndone(Struct, frozen=True, tag="correction_undone"):
    """The same, because a correction was undone."""

    listener_id: UUID | None
    correction_id: UUID | None
    aliases: list[Alias]
    gone: list[Key]


class CorrectionsForgotten(Struct, frozen=True, tag="listener_forgotten"):
    """A person was erased, and their corrections with them."""

    listener_id: UUID


class Sound(Struct, frozen=True):
    """How loud and lively a recording is, from 0 (calm) to 1 (loud): what audio analyses call energy.

    `audio` are its AUDIO_FEATURES, empty where they are not known.
    """

    artist: str
    title: str
    energy: Annotated[float, Meta(ge=0, le=1)]
    audio: Audio = []


class Description(Struct, frozen=True):
    """All tags of an item, and of a recording its energy and AUDIO_FEATURES where they are known.

    A recording's names are told too: nobody may have played it, so that no listen names it.
    """

    kind: Kind
    key: UUID
    tags: list[str]
    energy: float | None = None
    audio: Audio = []
    title: str | None = None
    artist: str | None = None
    artist_key: UUID | None = None


class Described(Struct, frozen=True, tag="described"):
    """What items are like, from now on."""

    descriptions: list[Description]


CatalogEvent = Corrected | CorrectionUndone | CorrectionsForgotten | Described


class Identifier(Struct, frozen=True):
    """A MusicBrainz identifier of a recording."""

    recording_key: UUID
    mbid: UUID


class Cover(Struct, frozen=True):
    """A picture of a release, as the Cover Art Archive has it: JPEG or PNG."""

    content_type: str
    content: bytes


class ArtistNotFound(DomainError):
    """No artist of this key is known here."""

    code, status = "catalog.artist_not_found", 404


class RecordingNotFound(DomainError):
    """No recording of this key is known here."""

    code, status = "catalog.recording_not_found", 404


class CorrectionNotFound(DomainError):
    """There is no such correction, or it is not yours."""

    code, status = "catalog.correction_not_found", 404


class InvalidCorrection(DomainError):
    """This correction says nothing, or has the wrong form."""

    code, status = "catalog.invalid_correction", 422


class AlreadyCorrected(DomainError):
    """This was corrected already; undo that first, or correct what it is shown as. `details` say what that is."""

    code, status = "catalog.already_corrected", 409


class CircularCorrection(DomainError):
    """This would go in a circle: the one would be the other, and the other the one."""

    code, status = "catalog.circular_correction", 409


class Catalog(Protocol):
    @query(access=Access.PUBLIC)
    def get_recordings(self, keys: list[UUID]) -> list[Recording]:
        """The known recordings in the order asked; unknown keys are left out. At most 1000 keys."""

    @query(access=Access.PUBLIC)
    def get_artists(self, keys: list[UUID]) -> list[Artist]:
        """The known artists in the order asked; unknown keys are left out. At most 1000 keys."""

    @query(access=Access.PUBLIC)
    def get_identifiers(self, keys: list[UUID]) -> list[Identifier]:
        """The MusicBrainz identifiers that players told of recordings, one each at most. At most 1000 keys."""

    @query(access=Access.PUBLIC)
    def find_identifiers(self, mbids: list[UUID]) -> list[Identifier]:
        """Which recordings MusicBrainz identifiers stand for, as far as known here. At most 1000."""

    @command(access=Access.PUBLIC, idempotent=True)
    def find_cover(self, key: UUID) -> Cover | None:
        """The cover of a release or recording, where this instance may fetch covers and has it already.

        Otherwise it is noted down to be fetched, if a player told which release of MusicBrainz it is: nobody waits.
        """

    @query(access=Access.LISTENER)
    def get_artist_page(self, key: UUID, limit: int = 50) -> ArtistPage:
        """An artist with known recordings and releases. Raises ArtistNotFound."""

    @query(access=Access.LISTENER)
    def search(self, text: str, limit: int = 20) -> SearchResult:
        """Artists and recordings whose names are near `text`, nearest first."""

    @query(access=Access.SERVICE)
    def search_mode(self) -> Literal["trigram", "prefix"]:
        """How search works here: tolerant of typos where PostgreSQL has pg_trgm."""

    @command(access=Access.SERVICE, idempotent=True, timeout=30)
    def add_tags(self, taggings: list[Tagging]) -> int:
        """Name items and tag them; how many tags were new."""

    @command(access=Access.SERVICE, idempotent=True, timeout=30)
    def add_sounds(self, sounds: list[Sound]) -> int:
        """Name recordings and say how they sound; how many were new or changed.

        What was known of a recording's audio stays where none is given. Raises InvalidRequest where `audio` is not
        empty and not all of AUDIO_FEATURES.
        """

    @query(access=Access.LISTENER)
    def resolve(self, kind: Kind, keys: list[UUID], with_unchanged: bool = False) -> list[Shown]:
        """What keys are shown as, to the actor. At most 1000 keys; unknown ones are left out.

        Those that no correction concerns are left out too, unless `with_unchanged`.
        """

    @command(access=Access.LISTENER, timeout=15)
    def add_correction(self, scope: Scope, act: Act) -> Correction:
        """Correct for the actor's own view, or for everyone (needs an admin; goes into the audit).

        Listens stay as they were sent; what is counted and shown changes, of earlier listens and later ones. Raises
        Forbidden, InvalidCorrection, ArtistNotFound, RecordingNotFound, AlreadyCorrected, CircularCorrection.
        """

    @query(access=Access.LISTENER)
    def list_corrections(self, scope: Scope, before: datetime | None = None, limit: int = 100) -> list[Correction]:
        """The corrections that hold, newest first: the actor's own, or everyone's."""

    @command(access=Access.LISTENER, timeout=15)
    def undo_correction(self, correction_id: UUID) -> None:
        """Take a correction back; the others hold as if it had never been. Raises CorrectionNotFound, Forbidden."""

    @query(access=Access.SERVICE)
    def has_traces(self, listener_id: UUID) -> bool:
        """Whether anything of a person is left here."""

    @query(access=Access.OWNER)
    def export_listener(self, listener_id: UUID) -> dict[str, Any]:
        """A person's own corrections, as JSON values of KeptCorrection, oldest first."""

    @command(access=Access.OWNER, idempotent=True, timeout=30)
    def restore_corrections(self, listener_id: UUID, corrections: list[KeptCorrection]) -> list[bool]:
        """Keep up to 100 corrections of an export for their listener; for each whether it is new.

        Those that do not go with what holds already, or whose names are not those of their keys, are passed over.
        """

    @query(access=Access.SERVICE, timeout=10)
    def feed(self, after: str, limit: int = 1000) -> FeedPage[CatalogEvent]:
        """Events after a cursor ("" for the beginning). Raises FeedReset when the cursor is of another generation."""
