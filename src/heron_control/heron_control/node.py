"""The control component: /vehicle/state, /odom and /plan/trajectory in, frames on the bus and /control/status out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from weakref import WeakSet

from heron_msgs.srv import Bookmark, Engage
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from heron_can.car import load_car
from heron_can.io import CanIo
from heron_control.can_codec import CanCodec
from heron_control.codec import RawFrame
from heron_control.config import ControlConfig
from heron_control.engagement import Change, car_listens, check_shadow_bus
from heron_control.gate import Gate
from heron_control.network import check_network
from heron_control.pilot import Pilot, engagement_report
from heron_core.errors import ConfigError
from heron_core.limits import load_limits
from heron_core.trajectory import Trajectory
from heron_core.vehicle import VehicleState
from heron_core.vehicle_model import load_vehicle_model
from heron_runtime.node import HeronNode

PLANNERS_PERIOD_NS = 100_000_000
LATE_PERIOD_NS = 20_000_000
SILENT_STATE_NS = 50_000_000  # ticks go on without vehicle states that stay away for longer: a driven car is not left alone
SAID_NS = 1_000_000_000  # why plans are rejected is said once in this time, and counted always
BOOKMARK_CHARACTERS = 500

_COMMANDED: WeakSet[CanIo] = WeakSet()
"""Buses of this process that a component writes commands to."""


class ControlNode(HeronNode):
    """Runs a `Pilot` on the 100 Hz of /vehicle/state."""

    NAME = "control"
    Config = ControlConfig

    def setup(self) -> None:
        """Opens the bus of the command frames and waits for state and plans."""
        config: ControlConfig = self.config
        folder, shadow = Path(config.vehicle), config.mode == "shadow"
        limits, model = load_limits(folder / "limits.yaml"), load_vehicle_model(folder / "vehicle.yaml")
        car = load_car(folder, tuple(Path(entry) for entry in config.dbc_search))
        self._codec = CanCodec(car)
        buses = {name: bus for name, bus in car.buses(config.interface, config.listen_only).items() if name in self._codec.buses}
        for name, bus in buses.items():
            if shadow:
                check_shadow_bus(name, bus.interface, bus.listen_only)
            elif car_listens(bus.interface, bus.listen_only) and bus.interface != "sim":  # that one is in this process
                check_network(os.environ, config.trust_network)
        gate = Gate(limits, model, self._codec, self._write)
        self._pilot = Pilot(
            config.tracker,
            limits,
            model,
            gate,
            shadow,
            round(config.odometry_s * 1e9),
            required=config.required_components,
            health_silent_s=config.health_silent_s,
            planner=config.planner,
        )
        self._ios: dict[str, CanIo] = {}
        for name, bus in buses.items():
            self._ios[name] = CanIo.shared(name, bus, car.wanted[name])
            self.at_end(self._ios[name].release)
            self._claim(name, self._ios[name])
        self.at_end(lambda: gate.close(self.instant().steady_ns))
        self._said_ns: dict[str, int] = {}
        self._state: tuple[VehicleState, int] | None = None  # the newest, and when it came in steady time
        self._told = self._pilot.engagement.state
        self._status = self.advertise("/control/status")
        # What the car does is heard from this process's CAN component only: a recording replayed on this domain must not move it.
        self.subscribe("/odom", self._pilot.add_odometry, outside=False)
        self.subscribe("/plan/trajectory", self._on_plan)
        self.subscribe("/diagnostics", self._pilot.set_health)
        self.subscribe("/vehicle/state", self._on_state, outside=False)
        self.every(round(config.status_period_s * 1e9), self._tell)
        self.every(PLANNERS_PERIOD_NS, self._look_for_planners)
        if not shadow:
            self.every(LATE_PERIOD_NS, self._tick_without_state)
        self.serve("~/engage", Engage, self._on_engage)
        self.serve("~/bookmark", Bookmark, self._on_bookmark)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Gives the car back before the ticks rest."""
        if self._ready:
            self._give_back()
        return super().on_deactivate(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As `on_deactivate`."""
        return self.on_deactivate(state)

    def interrupt(self) -> None:
        """The component ends: a car that Heron drives is given back aloud."""
        if self._pilot.engagement.state.drives:
            self._give_back()

    def report(self) -> dict[str, Any]:
        """Gate, engagement, rejected plans."""
        return {
            "gate": self._pilot.gate.report(),
            "engagement": engagement_report(self._pilot),
            "plans_rejected": dict(self._pilot.check.rejected),
        }

    def _give_back(self) -> None:
        self._say(self._pilot.rest(self.instant()))
        self._tell()

    def _claim(self, name: str, io: CanIo) -> None:
        if io in _COMMANDED:
            raise ConfigError(f"bus {name}: another component of this process writes commands to it already; unload one of them")
        _COMMANDED.add(io)
        self.at_end(lambda: _COMMANDED.discard(io))

    def _write(self, frame: RawFrame, _: int) -> bool:
        return self._ios[frame.bus].send(self._codec.frame(frame, self.now_ns()))

    def _on_plan(self, plan: Trajectory) -> None:
        fault = self._pilot.add_plan(plan, self.instant())
        reason = fault.split(":")[0] if fault else ""
        if fault:
            self.count(f"plan_{reason}")
        now_ns = self.instant().steady_ns
        if fault and now_ns - self._said_ns.get(reason, now_ns - SAID_NS) >= SAID_NS:
            self.event("plan", f"rejected: {fault}", f"plan_{reason}")
        if fault:
            self._said_ns[reason] = now_ns

    def _on_state(self, state: VehicleState) -> None:
        self._state = state, self.instant().steady_ns
        self._tick(state)

    def _tick_without_state(self) -> None:
        at = self.instant()
        if self._state is not None and at.steady_ns - self._state[1] > SILENT_STATE_NS and self._pilot.tick_is_due(at):
            self._tick(self._state[0])

    def _tick(self, state: VehicleState) -> None:
        tick = self._pilot.tick(state, self.instant(), self.now_ns)
        self._say(tick.changes)
        if tick.stages is not None:
            self.trace(tick.stages)
        if self._pilot.engagement.state is not self._told:
            self._tell()

    def _tell(self) -> None:
        self._told = self._pilot.engagement.state
        self._status.publish(self._pilot.status(self.instant()))

    def _look_for_planners(self) -> None:
        names = self.publishers_of("/plan/trajectory")
        self._pilot.set_planners(len(names), ", ".join(names))
        commanders = self.publishers_of("/control/status")
        self._pilot.set_commanders(len(commanders), ", ".join(commanders))

    def _say(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self.event(change.kind, change.text, change.cause)

    def _on_engage(self, request: Any, response: Any) -> Any:
        response.success, response.reason = self._pilot.request(request.engage, self.instant())
        return response

    def _on_bookmark(self, request: Any, response: Any) -> Any:
        self.event("bookmark", request.text[:BOOKMARK_CHARACTERS], "asked")
        response.success = True
        return response
