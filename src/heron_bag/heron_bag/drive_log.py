"""Who drove in a recording, and what happened: engagements, disengagements, overrides, rungs of the ladder, activity of the gate, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from heron_bag.native import control_statuses, events
from heron_bag.reader import Bag
from heron_core.signals import ControlStatus, Event

EVENTS, STATUS = ("/events", "heron_msgs/msg/Event"), ("/control/status", "heron_msgs/msg/ControlStatus")
KINDS = ("engagement", "refusal", "disengagement", "override", "ladder", "fault", "gate", "bookmark")
QUIET_S = 1.0
"""Activity of the gate that is further apart is told apart."""
LONGEST_PERIOD_S = 0.5
"""Two statuses that are further apart say nothing of the time between them."""
NS = 1e9


@dataclass(frozen=True)
class Entry:
    """One event of a drive; `time_s` counts from the start of the recording, `cause` is empty in the oldest recordings."""

    time_s: float
    kind: str
    cause: str
    text: str
    source: str


@dataclass(frozen=True)
class GateBurst:
    """A time in which the gate was active; commands that it narrowed and that it refused."""

    start_s: float
    end_s: float
    limited: int
    rejected: int


@dataclass(frozen=True)
class DriveLog:
    """What happened.

    Attributes:
        entries: in order of time.
        counts: kind → cause → how many.
        limited, rejected: commands that the gate narrowed and refused within the recording.
        bursts: when it did; empty where nobody was driven (only the sums are read then).
        alarm_s: how long the gate raised its alarm.
        state_s: state of engagement → seconds. ladder_s: rung → seconds. Empty where nobody was driven.
    """

    entries: tuple[Entry, ...] = ()
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    limited: int = 0
    rejected: int = 0
    bursts: tuple[GateBurst, ...] = ()
    alarm_s: float = 0.0
    state_s: dict[str, float] = field(default_factory=dict)
    ladder_s: dict[str, float] = field(default_factory=dict)


def drive_log(bag: Bag) -> DriveLog | None:
    """The log of a recording, or None when nothing of the kind happened in it.

    Statuses are spread over the whole recording: they are read only when its events say that somebody was driven.

    Raises:
        BagError: the recording cannot be read.
    """
    found = events(bag) if _has(bag, EVENTS) else ()
    entries = tuple(_entry(log_ns - bag.start_ns, event) for log_ns, event in found if event.kind in KINDS)
    driven = any(entry.kind != "bookmark" for entry in entries)
    statuses = [] if not _has(bag, STATUS) else list(control_statuses(bag)) if driven else _first_and_last(bag)
    timed = [((log_ns - bag.start_ns) / NS, status) for log_ns, status in statuses]
    bursts = gate_bursts(timed)
    if not entries and not bursts:
        return None
    counts = {kind: Counter(entry.cause for entry in entries if entry.kind == kind) for kind in KINDS}
    log = DriveLog(
        entries=entries,
        counts={kind: dict(sorted(causes.items())) for kind, causes in counts.items() if causes},
        limited=sum(burst.limited for burst in bursts),
        rejected=sum(burst.rejected for burst in bursts),
    )
    return log if not driven else _with_times(log, timed, bursts)


def gate_bursts(statuses: Iterable[tuple[float, ControlStatus]]) -> tuple[GateBurst, ...]:
    """When the gate's counters grew, from (seconds, status) in order of time. Counters that fall began anew with their process."""
    bursts: list[GateBurst] = []
    before: ControlStatus | None = None
    for time_s, status in statuses:
        if before is not None:
            grown = [_grown(before.gate_limited, status.gate_limited), _grown(before.gate_rejected, status.gate_rejected)]
            if any(grown) and bursts and time_s - bursts[-1].end_s <= QUIET_S:
                last = bursts.pop()
                bursts.append(GateBurst(last.start_s, time_s, last.limited + grown[0], last.rejected + grown[1]))
            elif any(grown):
                bursts.append(GateBurst(time_s, time_s, *grown))
        before = status
    return tuple(bursts)


def _with_times(log: DriveLog, statuses: list[tuple[float, ControlStatus]], bursts: tuple[GateBurst, ...]) -> DriveLog:
    state_s: defaultdict[str, float] = defaultdict(float)
    ladder_s: defaultdict[str, float] = defaultdict(float)
    alarm_s = 0.0
    for (time_s, status), (next_s, _) in pairwise(statuses):
        lasts_s = next_s - time_s
        if lasts_s <= LONGEST_PERIOD_S:
            state_s[status.engagement.value] += lasts_s
            ladder_s[status.ladder.value] += lasts_s
            alarm_s += lasts_s * status.gate_alarm
    seconds = [{name: round(value, 3) for name, value in sorted(found.items())} for found in (state_s, ladder_s)]
    return DriveLog(log.entries, log.counts, log.limited, log.rejected, bursts, round(alarm_s, 3), *seconds)


def _grown(before: int, now: int) -> int:
    return now - before if now >= before else now


def _entry(after_ns: int, event: Event) -> Entry:
    return Entry(after_ns / NS, event.kind, event.cause, event.text, event.source)


def _has(bag: Bag, topic: tuple[str, str]) -> bool:
    info = bag.topics.get(topic[0])
    return info is not None and info.ros_type == topic[1] and info.count > 0


def _first_and_last(bag: Bag) -> list[tuple[int, ControlStatus]]:
    times_ns = bag.log_times(STATUS[0])
    return [next(control_statuses(bag, start_ns=int(time_ns), stop_ns=int(time_ns) + 1)) for time_ns in (times_ns[0], times_ns[-1])]
