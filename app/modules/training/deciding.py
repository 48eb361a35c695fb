"""What an experiment's sums say: the one place that calls a treatment better, worse, failing, or nothing yet."""

from dataclasses import dataclass

from app.contracts.experiments import ArmSums, ModelHealth, Verdict
from app.ml.sequential import Moments, difference, half_width, listeners_needed, mismatch_p

# Effects of about a fifth of the control's plays per recommendation are to be found soonest.
SOUGHT = 0.2
# With fewer listeners in an arm their mean is not near enough to a normal one to call anything by it.
LEAST = 30
# Arms whose sizes have so small a probability were not filled as asked: something is wrong with the counting.
MISMATCH_P = 0.0005
# A treatment that is called equal is not worse than by this share.
MARGIN = 0.05

# What a model may not do, from so many answers on.
LEAST_ANSWERS = 20
MOST_ERRORS = 0.01
MOST_EMPTIES = 0.05
SLOWER = 1.5
SLOW_MS = 250.0


@dataclass(frozen=True)
class Rule:
    """When a difference is called, and of whom listeners were to be in which arm (`shares`, control first)."""

    alpha: float
    min_days: int
    min_listeners: int
    shares: tuple[float, float]


@dataclass(frozen=True)
class Finding:
    """`effect`, `low` and `high` are shares of the control's plays per recommendation, None where they aren't known."""

    verdict: Verdict
    reason: str
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    srm_p: float | None = None
    listeners_needed: int | None = None


def judge(rule: Rule, days: float, control: ArmSums, treatment: ArmSums) -> Finding:
    """Say what the sums so far show. A worse treatment is called at once, a better one after the rule's time."""
    srm_p = mismatch_p((control.listeners, treatment.listeners), rule.shares)
    found = difference(_moments(control), _moments(treatment))
    fewest = min(control.listeners, treatment.listeners)
    whole = _whole(control, treatment)
    if found is None or fewest < LEAST or whole <= 0:
        reason = f"too little was shown and played yet: it takes {LEAST} listeners in each arm"
        return Finding("undecided", reason, srm_p=srm_p)
    scale = SOUGHT * whole
    half = half_width(found.variance, rule.alpha, scale)
    effect, low, high = ((found.effect + by) / whole for by in (0.0, -half, half))
    needed = listeners_needed(fewest, found.variance, rule.alpha, scale, found.effect)

    def finding(verdict: Verdict, reason: str) -> Finding:
        return Finding(verdict, reason, effect, low, high, srm_p, needed)

    said = f"{effect:+.1%} plays per recommendation ({low:+.1%} to {high:+.1%})"
    is_due = days >= rule.min_days and fewest >= rule.min_listeners
    if srm_p < MISMATCH_P:
        return finding("invalid", f"the arms have not the sizes they were to have (p = {srm_p:.1g})")
    if high < 0:
        return finding("worse", f"significantly worse: {said}")
    if is_due and low > -MARGIN:
        return finding("better", f"significantly better: {said}") if low > 0 else finding("equal", f"not worse: {said}")
    waits = "" if is_due else f"; decides after {rule.min_days} days and {rule.min_listeners} listeners in each arm"
    return finding("undecided", said + waits)


def failure(treatment: ModelHealth | None, control: ModelHealth | None) -> str | None:
    """Say in what a model fails technically, None where it does not (as far as can be told)."""
    if treatment is None or treatment.answers < LEAST_ANSWERS:
        return None
    errors, empties = treatment.errors / treatment.answers, treatment.empties / treatment.answers
    others_errors = control.errors / control.answers if control and control.answers else 0.0
    others_empties = control.empties / control.answers if control and control.answers else 0.0
    if errors > MOST_ERRORS and errors > 2 * others_errors:
        return f"errs in {errors:.0%} of {treatment.answers} answers"
    if empties > MOST_EMPTIES and empties > 2 * others_empties:
        return f"gives nothing in {empties:.0%} of {treatment.answers} answers"
    usual = control.p95_ms if control and control.answers >= LEAST_ANSWERS else None
    if usual is None or treatment.p95_ms is None:
        return None
    slow = max(SLOW_MS, SLOWER * usual)
    if treatment.p95_ms > slow:
        return f"is slow: 95 of 100 answers within {treatment.p95_ms:.0f} ms, the limit is {slow:.0f} ms"
    return None


def _whole(control: ArmSums, treatment: ArmSums) -> float:
    """Return the difference of means that would be one of 100 per cent of the plays per recommendation."""
    if not (control.plays or treatment.plays):
        return 0.0
    rate = (control.plays or treatment.plays) / ((control.impressions if control.plays else treatment.impressions) or 1)
    return rate * (control.weight + treatment.weight) / (control.listeners + treatment.listeners)


def _moments(arm: ArmSums) -> Moments:
    return Moments(arm.listeners, arm.y, arm.yy, arm.x, arm.xx, arm.xy)
