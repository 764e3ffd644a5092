"""What a recording tells afterwards of a drive with real processes: who drove, who took over, what happened, and why."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from cars import PLANNER, Cars
from drives import heron
from heron_msgs.srv import Bookmark, Engage
from outside import Outside

ACTS = (
    "do=engage_button,at_s=3,until=followed",
    "do=brake,value=0.15,when=followed,after_s=1.5,for_s=0.5",
    "do=engage_button,when=released,after_s=1.2,until=followed",
    "do=throttle,value=0.3,when=followed,after_s=1.5,for_s=0.5",
)


@pytest.mark.slow
def test_a_recording_tells_who_drove_who_took_over_and_why(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    with Cars(tmp_path, 50, 150, *ACTS) as run, Outside(run.domain) as outside:
        run.start_actuation()
        run.start_planner()
        run.start_recorder(bag, "/events", "/control/status")
        for name in ("actuation", PLANNER, "recorder"):
            run.wait_text(name, "components are up")
        run.start_car()
        run.wait_text("actuation", "override: the driver accelerates")
        assert outside.call(Bookmark, "/control/bookmark", Bookmark.Request(text="cut in")).success
        run.signal(PLANNER, signal.SIGKILL)
        run.wait_text("actuation", "ladder: soft stop: ")
        assert outside.call(Engage, "/control/engage", Engage.Request(engage=False)).success
        run.wait_text("actuation", "disengagement: ")
        report = run.control_report()
        assert run.end("recorder") == 0, run.said()
        what_happened = run.said()
    read = heron("bag", "info", bag, "--json")
    assert read.code == 0, read.text
    drive = json.loads(read.out)["drive"]
    told = [(entry["kind"], entry["cause"]) for entry in drive["entries"] if entry["kind"] != "refusal"]
    assert told == [
        ("engagement", "asked"),
        ("override", "driver_brake"),
        ("engagement", "asked"),
        ("override", "driver_gas"),
        ("bookmark", "asked"),
        ("ladder", "plan_age"),
        ("ladder", "plan_age"),
        ("disengagement", "plan_age"),
    ], what_happened
    assert drive["counts"]["override"] == report["engagement"]["overrides"] == {"driver_brake": 1, "driver_gas": 1}
    assert drive["counts"]["disengagement"] == report["engagement"]["disengagements"] == {"plan_age": 1}
    assert (drive["limited"], drive["rejected"]) == (report["gate"]["limited"], report["gate"]["rejected"])
    times = {(entry["kind"], entry["cause"]): entry["time_s"] for entry in drive["entries"]}  # the later one of a kind
    assert times["override", "driver_gas"] - times["engagement", "asked"] == pytest.approx(1.5, abs=0.3)
    assert drive["state_s"]["engaged"] > 3.0 and drive["ladder_s"]["ok"] > 3.0
    shown = heron("bag", "info", bag).out
    assert "2 override (driver_brake, driver_gas)" in shown and "1 disengagement (plan_age)" in shown
    assert "cut in" in shown and f"gate: {drive['limited']} commands narrowed, {drive['rejected']} refused" in shown
