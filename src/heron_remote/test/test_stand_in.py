"""A policy on board plans while the link is cut, and gives way when the server answers again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from plans_of_two import FakeThinker, FakeVoice, Wire
from rclpy.parameter import Parameter

from heron_core.arrays import address, read_only
from heron_core.errors import ConfigError
from heron_core.frames import FrameSet
from heron_core.signals import Event
from heron_core.stages import Stages
from heron_core.trajectory import POINTS, Trajectory
from heron_core.vehicle import Signal, VehicleState
from heron_remote.config import RemoteConfig, RemotePolicyConfig
from heron_remote.keys import load_keys, write_new_key
from heron_remote.node import RemotePolicyNode
from heron_remote.server import PolicyServer
from heron_remote.server_end import ServerEnd
from heron_remote.stand_in import FallbackConfig, StandIn, check_stand_in
from heron_remote.vehicle_link import wall
from heron_runtime.diagnostics import ERROR
from heron_runtime.domain import own_domain
from heron_runtime.lockstep import Scheduler
from heron_runtime.node import HeronNode
from heron_vla.folder import load_policy
from heron_vla.kinematic import SIZE_PX, write_kinematic
from heron_vla.session import Answer
from heron_vla.signature import PolicyError

MS = 1_000_000
START = 1_700_000_000_000 * MS
SECONDS = 9
STILL = np.zeros((POINTS, 4), np.float32)
"""What the server plans; the policy on board goes on at 8 m/s."""


def test_one_answer_that_is_missed_among_others_changes_nothing() -> None:
    who = StandIn(2)
    assert not who.came(1, 0) and not who.came(3, 0) and not who.missed(2, 0) and not who.drives


def test_the_server_drives_again_after_answers_in_a_row() -> None:
    who = StandIn(2)
    who.came(1, 0)
    assert who.missed(2, 5_000_000_000) and who.drives and not who.missed(3, 5_100_000_000)
    assert not who.came(4, 5_200_000_000) and not who.missed(5, 5_300_000_000), "it drives already"
    assert not who.came(6, 5_400_000_000) and who.drives, "the one that was missed broke the row"
    assert not who.missed(3, 5_450_000_000), "late news of one before does not"
    assert who.came(7, 5_500_000_000) and not who.drives
    assert (who.times, who.driven_s(9_000_000_000)) == (1, 0.5)


class _Gateway:
    """One end of a wire."""

    sent_bytes = heard_bytes = displaced = restarts = 0

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def forward(self, envelope: bytes) -> None:
        self.wire.send("server", envelope)

    def close(self) -> None:
        self.wire.hears.pop("vehicle", None)


class OnWire(RemotePolicyNode):
    """The component, with a wire in place of DDS."""

    wire: Wire

    def _open_gateway(self, heard: Callable[[bytearray], None]) -> Any:
        self.wire.hears["vehicle"] = heard
        self._gateway = _Gateway(self.wire)  # type: ignore[assignment]
        return self._gateway


@dataclass(frozen=True)
class ReplayConfig:
    """It has none."""


class Replay(HeronNode):
    """A car at 8 m/s with one camera at 10 Hz."""

    NAME, Config = "replay", ReplayConfig

    def setup(self) -> None:
        self._state, self._frames = self.advertise("/vehicle/state"), self.advertise("/frames")
        self._images = read_only(np.zeros((1, 3, SIZE_PX, SIZE_PX), dtype=np.uint8))
        self.feed(lambda: ((START + (i + 1) * 10 * MS, i) for i in range(100 * SECONDS)), self.tick)

    def tick(self, i: int) -> None:
        now = self.now_ns()
        values = {"speed": 8.0, "yaw_rate": 0.0, "accel_x": 0.0}
        self._state.publish(VehicleState(now, {name: Signal(value, 0, True) for name, value in values.items()}))
        if i % 10 == 0:
            stages, where = Stages(exposure_ns=now, preprocessed_ns=now), {"images": address(self._images)}
            self._frames.publish(FrameSet(now, "", ("CAM_FRONT",), (now,), (True,), {"images": self._images}, where, stages))


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kinematic(tmp_path_factory.mktemp("p") / "policy", ["CAM_FRONT"])


@pytest.fixture
def wire(policy: Path, tmp_path: Path) -> Iterator[Wire]:
    """With a server on its other end."""
    folder, pool, made = load_policy(policy), ThreadPoolExecutor(1), Wire()
    write_new_key(tmp_path / "keys")
    ring = load_keys(tmp_path / "keys")
    thinker = FakeThinker(lambda request: Answer(STILL))
    end = ServerEnd(ring, lambda: os.urandom(8), folder.digest)
    server = PolicyServer(end, folder, thinker, None, FakeVoice(), lambda data: made.send("vehicle", data), wall)

    def hear(data: bytearray) -> None:
        job = server.hear(data)
        if job is not None:
            pool.submit(server.plan, job)

    made.hears["server"] = hear
    yield made
    made.close()
    pool.shutdown()


def drive(wire: Wire, policy: Path, keys: Path, **remote: Any) -> tuple[dict[str, Any], list[tuple[int, Trajectory]], list[Event]]:
    """Report, plans and when they came, events."""
    scheduler = Scheduler(START, {"inference": 20 * MS})
    plans: list[tuple[int, Trajectory]] = []
    events: list[Event] = []

    def keep(topic: str, stamp_ns: int, message: Any) -> None:
        if topic == "/plan/trajectory":
            plans.append((stamp_ns, message))
        elif topic == "/events":
            events.append(message)
        elif topic == "/diagnostics" and message.name.endswith("policy"):
            assert message.level < ERROR, "control would stop the car that the policy on board drives"

    scheduler.tap(keep)
    OnWire.wire = wire
    given = {"policy": str(policy), "remote.keys": str(keys), **{f"remote.{name}": value for name, value in remote.items()}}
    with own_domain({}) as domain:
        rclpy.init(domain_id=domain)
        try:
            overrides = [Parameter(name, value=value) for name, value in given.items()]
            node = OnWire(lambda it: scheduler.host(it, "perception"), parameter_overrides=overrides)
            source = Replay(lambda it: scheduler.host(it, "perception"))
            scheduler.run()
            report = node.full_report()["report"]
            for each in (source, node):
                each.destroy_node()
        finally:
            rclpy.try_shutdown()
    return report, plans, events


CUT = {"simulated.delay_ms": 10.0, "simulated.cut_every_s": 2.0, "simulated.cut_min_s": 0.7, "simulated.cut_max_s": 1.0, "simulated.seed": 4}


def test_plans_go_on_through_cuts_and_the_server_is_back_after_two_answers(wire: Wire, policy: Path, tmp_path: Path) -> None:
    report, plans, events = drive(wire, policy, tmp_path / "keys", **CUT, **{"fallback.policy": str(policy)})
    ages_ms = [(now - plan.stamp_ns) / 1e6 for now, plan in plans]
    gaps_ms = [(later.stamp_ns - plan.stamp_ns) / 1e6 for (_, plan), (_, later) in pairwise(plans)]
    assert max(ages_ms) < 100 and max(gaps_ms) <= 300, "what was asked within the patience is given up for newer images"
    fallback, simulated = report["remote"]["fallback"], report["remote"]["simulated"]
    own = [plan.points[-1, 0] > 25 for _, plan in plans]
    assert fallback["plans"] == sum(own) > 10 < len(own) - sum(own) and simulated["cut"] > 15
    causes = [event.cause for event in events if event.kind == "remote"]
    assert causes == [("fallback_began", "fallback_ended")[i % 2] for i in range(len(causes))]
    assert fallback["times"] == causes.count("fallback_began") >= 2
    assert sum(a != b for a, b in pairwise(own)) == len(causes)
    assert 0.07 * sum(own) < fallback["driven_s"] < SECONDS
    assert len({plan.policy for _, plan in plans}) == 1, "control knows one policy that may drive"
    assert [plan.sequence for _, plan in plans] == list(range(len(plans)))


def test_without_one_there_are_no_plans_in_a_cut(wire: Wire, policy: Path, tmp_path: Path) -> None:
    report, plans, _ = drive(wire, policy, tmp_path / "keys", **CUT)
    gaps_ms = [(later.stamp_ns - plan.stamp_ns) / 1e6 for (_, plan), (_, later) in pairwise(plans)]
    assert max(gaps_ms) > 600 and "fallback" not in report["remote"] and not any(plan.points.any() for _, plan in plans)


def test_a_folder_that_is_none_is_told_before_anybody_waits_for_the_server(policy: Path, tmp_path: Path) -> None:
    write_new_key(tmp_path / "keys")
    silent = Wire()
    try:
        with pytest.raises(PolicyError, match="nowhere"):
            drive(silent, policy, tmp_path / "keys", connect_s=60.0, **{"fallback.policy": str(tmp_path / "nowhere")})
        assert not silent.carried
    finally:
        silent.close()


def test_what_cannot_stand_in_is_refused(policy: Path, tmp_path: Path) -> None:
    other = write_kinematic(tmp_path / "other", ["CAM_FRONT", "CAM_BACK"])
    with pytest.raises(ConfigError, match=r"other: has other views than .*policy.* export it with the same"):
        check_stand_in(load_policy(policy), load_policy(other))
    with pytest.raises(ValueError, match=r"remote.fallback.patience_ms = 500, allowed below deadline_ms \(500\)"):
        RemotePolicyConfig(remote=RemoteConfig(fallback=FallbackConfig("p", 500)))
    with pytest.raises(ValueError, match="returns = 0"):
        FallbackConfig(returns=0)
