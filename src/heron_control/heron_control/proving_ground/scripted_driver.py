"""The driver of a simulated car: what hands and feet do, and when, as a list of acts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from heron_core.errors import ConfigError
from heron_core.settings import from_mapping, load_yaml
from heron_core.vehicle import SIGNALS

SAID = tuple(name for name in SIGNALS if name != "driving_mode")  # by the car
BUS_OFF = "bus_off"
PEDALS = ("brake", "throttle")
BRAKE_MPS2, THROTTLE_MPS2 = -8.0, 3.0  # of a pedal pressed to the floor
STANDING_MPS, MOVING_MPS = 0.05, 0.5
AGAIN_S = 1.0

Condition = Literal["always", "moving", "standing", "followed", "released"]


@dataclass(frozen=True)
class Act:
    """One thing that the driver does, or that happens to the car.

    It begins once the act before it has begun (or is not wanted any more), `at_s` has passed and `when` has held for `after_s` without a break.

    Attributes:
        do: a signal of the vehicle state that reads `value` meanwhile (`engage_button`, `brake`, `driver_torque`, `door_open`, `speed`, …), or
            `bus_off`. `brake` and `throttle` move the car too; any other signal only says so: a sensor that lies.
        value: of the signal, in its unit.
        for_s: how long.
        at_s: not before, in seconds since the start.
        when: `moving`, `standing`; `followed`, `released`: the car does what Heron asks, it does not.
        after_s: how long that must have held.
        until: the act is repeated every second until this holds; `always`: done once.
    """

    do: str
    value: float = 1.0
    for_s: float = 0.3
    at_s: float = 0.0
    when: Condition = "always"
    after_s: float = 0.0
    until: Condition = "always"

    def __post_init__(self) -> None:
        if self.do not in SAID and self.do != BUS_OFF:
            raise ValueError(f"do = {self.do!r}, allowed: {BUS_OFF} or a signal of the vehicle state: {', '.join(SAID)}")
        for name in ("value", "for_s", "at_s", "after_s"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} = {getattr(self, name)}, must be finite")
        for name in ("for_s", "at_s", "after_s"):
            if getattr(self, name) < 0.0:
                raise ValueError(f"{name} = {getattr(self, name)}, allowed >= 0")
        if self.do in PEDALS and not 0.0 <= self.value <= 1.0:
            raise ValueError(f"value = {self.value} of {self.do}, allowed 0 .. 1")


@dataclass(frozen=True)
class Script:
    """A whole script file."""

    acts: tuple[Act, ...] = ()


@dataclass(frozen=True, slots=True)
class Doing:
    """What is done at one tick.

    Attributes:
        signals: what they read now, instead of the truth.
        accel_mps2: that the feet ask for; None: no foot on a pedal.
        bus_off: the car's controllers are off the bus.
        began: acts that began with this tick.
    """

    signals: Mapping[str, float]
    accel_mps2: float | None
    bus_off: bool
    began: tuple[Act, ...]


def load_script(path: Path) -> tuple[Act, ...]:
    """The acts of a YAML file: `acts:` with a list of `Act`s.

    Raises:
        ConfigError: an unknown key or impossible value; the text names the file and the key.
    """
    return from_mapping(Script, load_yaml(path), str(path)).acts


def parse_act(text: str) -> Act:
    """An act on a command line: `do=engage_button,when=standing,after_s=1,until=followed`.

    Raises:
        ConfigError: an unknown key or impossible value.
    """
    words = [word.partition("=") for word in text.split(",") if word]
    values: dict[str, object] = {}
    for name, separator, value in words:
        if not separator:
            raise ConfigError(f"act {text!r}: {name!r} is no key=value")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            values[name.strip()] = value.strip()
    return from_mapping(Act, values, f"act {text!r}")


class ScriptedDriver:
    """Plays acts; time and what is seen come from outside."""

    def __init__(self, acts: Sequence[Act]) -> None:
        self._acts = tuple(acts)
        self._next = 0
        self._held_since: float | None = None
        self._running: list[tuple[float, Act]] = []  # end, act
        self._again: tuple[float, Act] | None = None

    @property
    def done(self) -> bool:
        """Every act has begun and ended."""
        return self._next == len(self._acts) and not self._running and self._again is None

    def step(self, time_s: float, speed_mps: float, followed: bool) -> Doing:
        """One tick.

        Args:
            time_s: since the start, growing.
            speed_mps: of the car.
            followed: steering and brakes do what Heron asks.
        """
        began = self._begin(time_s, speed_mps, followed)
        self._running = [(end_s, act) for end_s, act in self._running if time_s < end_s]
        signals: dict[str, float] = {}
        accel: float | None = None
        for _, act in self._running:
            if act.do == BUS_OFF:
                continue
            signals[act.do] = act.value
            if act.do == "brake":
                signals["brake_pressed"] = float(act.value > 0.0)
                accel = act.value * BRAKE_MPS2
            elif act.do == "throttle" and (accel is None or accel >= 0.0):
                accel = act.value * THROTTLE_MPS2
        return Doing(signals, accel, any(act.do == BUS_OFF for _, act in self._running), tuple(began))

    def _begin(self, time_s: float, speed_mps: float, followed: bool) -> list[Act]:
        began: list[Act] = []
        if self._again is not None:
            due_s, act = self._again
            if _holds(act.until, speed_mps, followed):
                self._again = None
            elif time_s >= due_s:
                began.append(act)
        while self._again is None and self._next < len(self._acts):
            act = self._acts[self._next]
            if time_s < act.at_s or not _holds(act.when, speed_mps, followed):
                self._held_since = None
                break
            self._held_since = time_s if self._held_since is None else self._held_since
            if time_s - self._held_since < act.after_s:
                break
            self._next, self._held_since = self._next + 1, None
            began.append(act)
            if act.until != "always":
                self._again = (time_s, act)
        for act in began:
            self._running.append((time_s + act.for_s, act))
            if act.until != "always":
                self._again = (time_s + max(AGAIN_S, 2.0 * act.for_s), act)
        return began


def _holds(condition: Condition, speed_mps: float, followed: bool) -> bool:
    if condition == "moving":
        return speed_mps > MOVING_MPS
    if condition == "standing":
        return speed_mps < STANDING_MPS
    if condition == "followed":
        return followed
    return not followed if condition == "released" else True
