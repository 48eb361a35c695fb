"""What `training` and `recommendations` tell each other of models that are being tried, and others of both."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from app.contracts.listens import Kind

# shadow: asked and counted, never shown; canary: shown to a share, against the champion; ab: two models, a share each
Mode = Literal["shadow", "canary", "ab"]
ExperimentState = Literal["running", "promoted", "rolled_back", "stopped"]
# "equal": not worse beyond the margin, as far as can be told by now
Verdict = Literal["undecided", "better", "equal", "worse", "failing", "invalid"]


class ServedArm(Struct, frozen=True):
    model_id: UUID
    sha256: str


class Trial(Struct, frozen=True):
    """An experiment as those who serve need it: who sees what follows from the listener's id, `salt` and `share`.

    `control` is None where it is the champion. In an A/B of two others both get a `share`, the rest the champion.
    """

    experiment_id: UUID
    mode: Mode
    salt: str
    share: float
    treatment: ServedArm
    control: ServedArm | None = None


class ArmSums(Struct, frozen=True):
    """Sums over the listeners of an arm; nobody can be told from them.

    y is how much more than the `rate` of all a listener played of what they were shown, (plays - rate * shown) /
    (shown + 20): per recommendation, but near 0 for those who were shown little. x is the same of the two weeks before
    the experiment, 0 for those who were not here; `weight` the sum of shown / (shown + 20).
    """

    listeners: int = 0
    y: float = 0.0
    yy: float = 0.0
    x: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    weight: float = 0.0
    impressions: int = 0
    clicks: int = 0
    plays: int = 0
    loves: int = 0
    hides: int = 0


class ExperimentSums(Struct, frozen=True):
    control: ArmSums
    treatment: ArmSums


class ModelHealth(Struct, frozen=True):
    """How a model answered: `errors` raised or gave no numbers, `empties` had nothing where the next
    model had something.

    `overlap` is how much of what was shown a shadow would have shown too (0 to 1), None for a model that is shown.
    """

    sha256: str
    answers: int
    errors: int
    empties: int
    p95_ms: float | None
    overlap: float | None = None


class ServedBy(Struct, frozen=True):
    """A process that serves a model, since when, and how long opening it took: proof that a swap arrived."""

    process: str
    kind: Kind
    sha256: str
    since: datetime
    opened_ms: float
    seen_at: datetime


class Experiment(Struct, frozen=True):
    """A comparison of two models. `share` of the listeners see the treatment; `alpha` is the risk of a false call.

    `promotes_itself`: the treatment becomes champion when it is better after `min_days` and `min_listeners` per arm.
    A treatment that is significantly worse, errs, gives nothing or is slow is always rolled back.
    """

    experiment_id: UUID
    kind: Kind
    mode: Mode
    state: ExperimentState
    control_id: UUID
    treatment_id: UUID
    share: float
    alpha: float
    min_days: int
    min_listeners: int
    promotes_itself: bool
    verdict: Verdict
    reason: str
    started_at: datetime
    ended_at: datetime | None


class EffectDay(Struct, frozen=True):
    """What an experiment had shown by the end of a day: the relative difference of treatment and control (0.1: 10 %
    more plays per recommendation), with an interval that holds however often it is looked at."""

    day: date
    control: ArmSums
    treatment: ArmSums
    effect: float | None
    low: float | None
    high: float | None


class ExperimentEffect(Struct, frozen=True):
    """`days` oldest first, the last is so far; `health` of both models lately; `listeners_needed` estimates how many
    more per arm an effect of the size seen needs, None where that can't be said."""

    experiment: Experiment
    days: list[EffectDay]
    health: list[ModelHealth]
    srm_p: float | None
    listeners_needed: int | None


class TrustedKey(Struct, frozen=True):
    """The public half (PEM) of a key that signs models, of this instance (`is_own`) or one whose models it takes in."""

    key_id: str
    public_key: str
    name: str
    added_at: datetime | None
    is_own: bool
