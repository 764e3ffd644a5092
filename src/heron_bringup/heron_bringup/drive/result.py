"""What a run leaves behind for its report and its pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from heron_core.signals import ControlStatus, Explanation, Instruction
from heron_core.trajectory import Trajectory
from heron_core.truth import Truth
from heron_core.vehicle import VehicleState


@dataclass
class RunResult:
    """One run.

    Attributes:
        components: full report of each component.
        plans: every plan, in order.
        states: vehicle states at 10 Hz, for the picture.
        statuses: control statuses, for exposure → CAN in the picture.
        words: explanations and instructions.
        truths: of a simulated world, at 10 Hz.
        end_ns: recorded time at the end.
        failed: why the run is not whole, e.g. a process that died.
        stopped: Ctrl-C ended it before its time.
    """

    components: list[dict[str, Any]] = field(default_factory=list)
    plans: list[Trajectory] = field(default_factory=list)
    states: list[VehicleState] = field(default_factory=list)
    statuses: list[ControlStatus] = field(default_factory=list)
    words: list[Explanation | Instruction] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    end_ns: int = 0
    failed: tuple[str, ...] = ()
    stopped: bool = False


STATES_SKIPPED = 10
"""A picture needs one vehicle state in ten."""
