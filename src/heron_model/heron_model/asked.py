"""What a sample is asked to do: an instruction drawn for it, and the trajectory that follows it.

A manoeuvre may come as a command, as a sentence that says the same, or as a sentence alone (the command then says `follow`). Unsafe and unknown
sentences change nothing; "stop" and "slow down" change how fast the expert's path is driven.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_core.trajectory import STEP_S
from heron_model.layout import MANOEUVRES
from heron_model.others import Other
from heron_model.words.instructions import instruction
from heron_sim.roads.network import Manoeuvre
from heron_sim.world import SAID

F32 = NDArray[np.float32]

# Cumulative shares of: no sentence, sentence and command agree, sentence alone, unsafe, unknown, stop, slow.
SHARES = (0.38, 0.58, 0.84, 0.90, 0.93, 0.965, 1.0)
STOP_MPS2 = (1.2, 2.2)
SLOW_SHARE, SLOW_MPS2 = 0.55, 1.0


@dataclass(frozen=True)
class Asked:
    """An instruction and what comes of it.

    Attributes:
        manoeuvre: the command.
        text: the sentence, or empty.
        intent: what the sentence asks for; empty: not known.
        points: (40, 4) the trajectory.
        told: the sample's own explanation still holds.
    """

    manoeuvre: str
    text: str
    intent: str
    points: F32
    told: bool = True


def as_given(row: dict[str, Any]) -> Asked:
    """The instruction that was in force when the sample was taken."""
    points = np.array(row["trajectory"], np.float32).reshape(-1, 4)
    manoeuvre = row["manoeuvre"] if row["manoeuvre"] in MANOEUVRES else "follow"
    return Asked(manoeuvre, row["text"] or "", "" if row["text"] else "none", points)


def told_otherwise(other: Other) -> dict[str, Any]:
    """What changes in a row where another manoeuvre is told; its explanation, its reason and a person's sentence hold no more."""
    changed = {"manoeuvre": other.manoeuvre, "turn": other.manoeuvre, "signal": other.signal, "ahead": other.ahead, "trajectory": other.points}
    return changed | dict.fromkeys(("text", "reason", "english", "japanese"), "")


def ask(row: dict[str, Any], points: F32, random: np.random.Generator) -> Asked:
    """An instruction drawn for a sample; one that has a sentence of its own keeps it."""
    if row["text"]:
        return as_given(row)
    manoeuvre = row["manoeuvre"] if row["manoeuvre"] in MANOEUVRES else "follow"
    kind = int(np.searchsorted(SHARES, random.random(), side="right"))
    language = "ja" if random.random() < 0.5 else "en"

    def say(intent: str) -> str:
        return instruction(intent, language, "train", random)

    if kind == 0:
        return Asked(manoeuvre, "", "none", points)
    if kind == 1:
        usual = random.random() < 0.4
        return Asked(manoeuvre, SAID[Manoeuvre(manoeuvre)] if usual else say(manoeuvre), manoeuvre, points)
    if kind == 2:
        return Asked("follow", say(manoeuvre), manoeuvre, points)
    if kind == 3:
        return Asked(manoeuvre, say("declined"), "declined", points)
    if kind == 4:
        return Asked(manoeuvre, say("unknown"), "unknown", points)
    speed = float(row["ego_hist"][-3])
    if kind == 5:
        return Asked(manoeuvre, say("stop"), "stop", stopping(points, speed, float(random.uniform(*STOP_MPS2))), told=False)
    return Asked(manoeuvre, say("slow"), "slow", slower(points, speed), told=False)


def stopping(points: F32, speed_mps: float, decel_mps2: float) -> F32:
    """The same path, driven to a standstill."""
    times = np.arange(1, len(points) + 1) * STEP_S
    return driven_at(points, speed_mps, np.maximum(speed_mps - decel_mps2 * times, 0.0))


def slower(points: F32, speed_mps: float) -> F32:
    """The same path at about half the speed."""
    times = np.arange(1, len(points) + 1) * STEP_S
    wanted = SLOW_SHARE * float(points[:, 3].max())
    return driven_at(points, speed_mps, np.maximum(speed_mps - SLOW_MPS2 * times, wanted))


def driven_at(points: F32, speed_mps: float, speeds: NDArray[np.float64]) -> F32:
    """The same path with other speeds, never faster than before.

    Args:
        points: (40, 4) x, y, yaw, speed.
        speed_mps: now.
        speeds: (40,) wished.
    """
    speeds = np.minimum(speeds, points[:, 3])
    before = np.concatenate([[speed_mps], speeds[:-1]])
    driven = np.cumsum((before + speeds) / 2.0 * STEP_S)
    path = np.vstack([np.zeros(3), points[:, :3]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path[:, :2], axis=0).T))])
    out = np.empty_like(points)
    for column in range(3):
        out[:, column] = np.interp(driven, along, path[:, column])
    out[:, 3] = np.where(driven < along[-1], speeds, np.minimum(speeds, points[-1, 3]))
    return out
