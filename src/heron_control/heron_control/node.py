"""The control component: /vehicle/state, /odom and /plan/trajectory in, frames on the bus and /control/status out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from heron_msgs.srv import Engage

from heron_can.car import load_car
from heron_can.io import CanIo
from heron_control.can_codec import CanCodec
from heron_control.codec import RawFrame
from heron_control.config import ControlConfig
from heron_control.engagement import check_shadow_bus
from heron_control.gate import Gate
from heron_control.pilot import Pilot, engagement_report
from heron_core.limits import load_limits
from heron_core.trajectory import Trajectory
from heron_core.vehicle import VehicleState
from heron_core.vehicle_model import load_vehicle_model
from heron_runtime.node import HeronNode


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
        if shadow:
            for name, bus in buses.items():
                check_shadow_bus(name, bus.interface, bus.listen_only)
        gate = Gate(limits, model, self._codec, self._write)
        self._pilot = Pilot(config.tracker, limits, model, gate, shadow, round(config.odometry_s * 1e9))
        self._ios: dict[str, CanIo] = {}
        for name, bus in buses.items():
            self._ios[name] = CanIo.shared(name, bus, car.wanted[name])
            self.at_end(self._ios[name].release)
        self._rejected = ""
        self._status = self.advertise("/control/status")
        self.subscribe("/odom", self._pilot.add_odometry)
        self.subscribe("/plan/trajectory", self._on_plan)
        self.subscribe("/vehicle/state", self._on_state)
        self.every(round(config.status_period_s * 1e9), lambda: self._status.publish(self._pilot.status(self.instant())))
        self.serve("~/engage", Engage, self._on_engage)

    def report(self) -> dict[str, Any]:
        """Gate, engagement, rejected plans."""
        return {
            "gate": self._pilot.gate.report(),
            "engagement": engagement_report(self._pilot.engagement),
            "plans_rejected": dict(self._pilot.check.rejected),
        }

    def _write(self, frame: RawFrame, now_ns: int) -> bool:
        return self._ios[frame.bus].send(self._codec.frame(frame, now_ns))

    def _on_plan(self, plan: Trajectory) -> None:
        fault = self._pilot.add_plan(plan, self.instant())
        reason = fault.split(":")[0] if fault else ""
        if fault:
            self.count(f"plan_{reason}")
        if fault and reason != self._rejected:  # say it once, count it always
            self.event("plan", f"rejected: {fault}")
        self._rejected = reason

    def _on_state(self, state: VehicleState) -> None:
        tick = self._pilot.tick(state, self.instant(), self.now_ns)
        for change in tick.changes:
            self.event(change.kind, change.text)
        if tick.stages is not None:
            self.trace(tick.stages)

    def _on_engage(self, request: Any, response: Any) -> Any:
        response.success, response.reason = self._pilot.request(request.engage)
        verb = "engaged" if request.engage else "disengaged"
        self.event("engagement" if request.engage else "disengagement", verb if response.success else f"refused: {response.reason}")
        return response
