"""Engagements, disengagements, overrides, rungs and gate activity of a recording, with causes and times."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from bag_samples import START_NS, put

from heron_bag.drive_log import DriveLog, Entry, GateBurst, drive_log, gate_bursts
from heron_bag.info import describe
from heron_bag.reader import open_bag
from heron_bag.writer import BagWriter
from heron_core.signals import ControlStatus, Engagement, Event, Ladder

MS = 1_000_000
PERIOD_S = 0.05


def status(
    time_s: float, engagement: Engagement, ladder: Ladder = Ladder.OK, limited: int = 0, rejected: int = 0, alarm: bool = False
) -> ControlStatus:
    stamp_ns = START_NS + round(time_s * 1e9)
    return ControlStatus(stamp_ns, engagement, "", True, 0, 0.0, 0.0, limited, rejected, ladder=ladder, gate_alarm=alarm)


def event(time_s: float, kind: str, cause: str, text: str = "it happened") -> Event:
    return Event(START_NS + round(time_s * 1e9), kind, "control", text, cause)


def write(path: Path, statuses: Iterable[ControlStatus] = (), events: Iterable[Event] = ()) -> Path:
    entries = [("/control/status", message.stamp_ns, message) for message in statuses] + [
        ("/events", message.stamp_ns, message) for message in events
    ]
    with BagWriter(path) as writer:
        for topic, stamp_ns, message in sorted(entries, key=lambda entry: entry[1]):
            put(writer, topic, stamp_ns, message)
    return path


def log_of(path: Path) -> DriveLog | None:
    with open_bag(path) as bag:
        return drive_log(bag)


def drive(path: Path) -> Path:
    """Ready until 1 s, engaged until 4 s, soft stop until 5 s, the driver from then on; the gate narrows around 2 s and refuses at 4.5 s."""

    def at(time_s: float) -> ControlStatus:
        engagement = Engagement.READY if time_s < 1 else Engagement.ENGAGED if time_s < 4 else Engagement.SOFT_STOP if time_s < 5 else Engagement.OFF
        limited, rejected = 7 + min(max(round((time_s - 2.0) / PERIOD_S), 0), 4), int(time_s >= 4.5)
        return status(time_s, engagement, Ladder.SOFT_STOP if 4 <= time_s < 5 else Ladder.OK, limited, rejected, 2 <= time_s < 2.5)

    happened = [
        event(0.5, "refusal", "door", "a door is open"),
        event(1.0, "engagement", "asked", "engaged"),
        event(1.5, "camera_silent", "", "no business of control's"),
        event(4.0, "ladder", "plan_age", "soft stop: the plan is 510 ms old"),
        event(5.0, "override", "driver_brake", "the driver brakes"),
        event(5.0, "disengagement", "driver_brake", "the driver brakes"),
        event(5.5, "bookmark", "asked", "look at [this]"),
    ]
    return write(path, [at(round(i * PERIOD_S, 3)) for i in range(121)], happened)


def test_a_drive_is_listed_with_causes_and_times(tmp_path: Path) -> None:
    log = log_of(drive(tmp_path / "b"))
    assert log is not None
    assert [(entry.time_s, entry.kind, entry.cause) for entry in log.entries] == [
        (0.5, "refusal", "door"),
        (1.0, "engagement", "asked"),
        (4.0, "ladder", "plan_age"),
        (5.0, "override", "driver_brake"),
        (5.0, "disengagement", "driver_brake"),
        (5.5, "bookmark", "asked"),
    ]
    assert log.entries[0] == Entry(0.5, "refusal", "door", "a door is open", "control")
    assert log.counts["disengagement"] == {"driver_brake": 1} and log.counts["ladder"] == {"plan_age": 1}
    assert log.state_s == pytest.approx({"ready": 1.0, "engaged": 3.0, "soft_stop": 1.0, "off": 1.0})
    assert log.ladder_s == pytest.approx({"ok": 5.0, "soft_stop": 1.0}) and log.alarm_s == pytest.approx(0.5)
    assert (log.limited, log.rejected) == (4, 1), "what the gate did before the recording does not count"
    assert log.bursts == (GateBurst(2.05, 2.2, 4, 0), GateBurst(4.5, 4.5, 0, 1))


def test_counters_that_fall_began_anew() -> None:
    counts = [(0, 0), (5, 0), (5, 0), (2, 1)]
    statuses = [(2.0 * i, status(2.0 * i, Engagement.ENGAGED, limited=n, rejected=m)) for i, (n, m) in enumerate(counts)]
    assert gate_bursts(statuses) == (GateBurst(2.0, 2.0, 5, 0), GateBurst(6.0, 6.0, 2, 1))


def test_a_recording_in_which_nobody_was_driven_says_nothing_and_is_hardly_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shadow = [status(i * PERIOD_S, Engagement.SHADOW, limited=3) for i in range(200)]
    path = write(tmp_path / "b", shadow, [event(1.0, "camera_silent", "")])
    read: list[int] = []
    monkeypatch.setattr("heron_bag.native.ControlStatus", lambda **fields: read.append(1) or ControlStatus(**fields))
    assert log_of(path) is None and len(read) == 2
    narrowed = write(tmp_path / "c", [*shadow, status(11.0, Engagement.SHADOW, limited=8)])
    log = log_of(narrowed)
    assert log is not None and (log.limited, log.entries, log.bursts, log.state_s) == (5, (), (), {})


def test_topics_of_the_same_names_from_elsewhere_are_left_alone(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "b") as writer:
        writer.add_topic("/events", "std_msgs/msg/Header")
        writer.write("/events", START_NS, bytes(16))
    assert log_of(tmp_path / "b") is None


def test_info_carries_it_as_json(tmp_path: Path) -> None:
    told = json.loads(json.dumps(describe(drive(tmp_path / "b")).to_json()))["drive"]
    assert told["counts"]["override"] == {"driver_brake": 1} and told["bursts"][0]["limited"] == 4
    assert told["entries"][2]["text"] == "soft stop: the plan is 510 ms old"
