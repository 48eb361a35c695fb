"""Snapshots: what there is, what was found in them, how they drift; and when training happens by itself."""

from typing import Annotated

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from msgspec import Meta, Struct

from app.admin.charts import Value, over_time
from app.admin.page import go, or_none, say
from app.contracts.listens import Kind
from app.contracts.services import Services
from app.contracts.training import Drift
from app.kernel.contract import InvalidRequest
from app.kernel.http import parse_form
from app.kernel.locales import gettext as _
from app.settings import Settings

FEATURES = ("items", "listeners", "play_times")


class BackForm(Struct, frozen=True, forbid_unknown_fields=True):
    back: Annotated[str, Meta(max_length=2000)] = ""


class ScheduleForm(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind
    nightly: Annotated[str, Meta(max_length=5)] = ""
    new_share: Annotated[str, Meta(max_length=8)] = ""
    is_enabled: bool = False
    on_drift: bool = False
    prefers_low_carbon: bool = False
    back: Annotated[str, Meta(max_length=2000)] = ""


def add_routes(bp: Blueprint, services: Services, settings: Settings) -> None:
    @bp.get("/data")
    def data() -> ResponseReturnValue:
        snapshots = or_none(services.training.list_snapshots)
        drift = [] if snapshots is None else or_none(services.training.drift) or []
        schedules = [] if snapshots is None else or_none(services.training.list_schedules) or []
        charts = {feature: drift_chart(drift, feature) for feature in FEATURES}
        return render_template(
            "admin/data.html", snapshots=snapshots, drift=drift, charts=charts, schedules=schedules, clock=clock
        )

    @bp.get("/data/<snapshot_id>")
    def snapshot(snapshot_id: str) -> ResponseReturnValue:
        found = services.training.get_snapshot(snapshot_id)
        checks = services.training.data_checks(found.snapshot_id)
        return render_template("admin/snapshot.html", snapshot=found, checks=checks, verified=None)

    @bp.post("/data")
    def create_snapshot() -> ResponseReturnValue:
        parse_form(BackForm)
        made = services.training.create_snapshot()
        say(_("Snapshot %(name)s has everything that was played until now.", name=made.snapshot_id[:12]))
        return go(url_for("admin.snapshot", snapshot_id=made.snapshot_id))

    @bp.post("/data/<snapshot_id>/verify")
    def verify_snapshot(snapshot_id: str) -> ResponseReturnValue:
        parse_form(BackForm)
        found = services.training.get_snapshot(snapshot_id)
        verified = services.training.verify_snapshot(found.snapshot_id)
        checks = services.training.data_checks(found.snapshot_id)
        return render_template("admin/snapshot.html", snapshot=found, checks=checks, verified=verified)

    @bp.post("/data/schedule")
    def set_schedule() -> ResponseReturnValue:
        form: ScheduleForm = parse_form(ScheduleForm)
        services.training.set_schedule(
            form.kind,
            is_enabled=form.is_enabled,
            nightly_minute=minute_of(form.nightly),
            new_share=share_of(form.new_share),
            on_drift=form.on_drift,
            prefers_low_carbon=form.prefers_low_carbon,
        )
        say(_("Saved."))
        return go(url_for("admin.data"))


def drift_chart(drift: list[Drift], feature: str) -> object:
    """Return the drift of one feature over time, beside the limit of the newest."""
    found = [each for each in reversed(drift) if each.feature == feature]
    if not found:
        return None
    return over_time([Value(f"{d.at:%Y-%m-%d}: {d.psi:.3f}", d.psi) for d in found], level=found[-1].limit)


def clock(minute: int | None) -> str:
    return "" if minute is None else f"{minute // 60:02}:{minute % 60:02}"


def minute_of(said: str) -> int | None:
    """Read a time of day (UTC). Raises InvalidRequest."""
    if not said:
        return None
    hours, _colon, minutes = said.partition(":")
    if not (hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 and int(minutes) < 60):
        raise InvalidRequest("nightly: a time of day such as 03:30")
    return int(hours) * 60 + int(minutes)


def share_of(said: str) -> float | None:
    """Read per cent as a share. Raises InvalidRequest."""
    if not said:
        return None
    try:
        share = float(said) / 100
    except ValueError:
        raise InvalidRequest("new_share: a number of per cent") from None
    if not 0 < share <= 1:
        raise InvalidRequest("new_share: more than 0 and at most 100 per cent")
    return share
