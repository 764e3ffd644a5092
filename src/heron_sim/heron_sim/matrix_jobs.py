"""The drives of a matrix: what decides each of them, and how it is driven in a process of its own."""

from __future__ import annotations

import hashlib
import importlib.util
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heron_core.errors import HeronError
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.route import Route
from heron_sim.scenario import Scenario
from heron_sim.truth import Truth

if TYPE_CHECKING:
    from heron_sim.driving.episode import Planner
    from heron_sim.roads.town import Town

Row = dict[str, Any]
DRIVING_PACKAGES = ("heron_core", "heron_can", "heron_control", "heron_sim")  # whose code decides how a drive goes
SEEING_PACKAGES = ("heron_camera", "heron_vla")  # and how one with pictures goes


@dataclass(frozen=True)
class Job:
    """One drive of a matrix.

    Attributes:
        scenario: what to drive.
        seed: of the run.
        policy: `expert` or `kinematic`, which drive without pictures, or the path of a policy's folder.
        vehicle: folder of the car.
        latency_s: from a plan's stamp until it arrives.
        fingerprint: names everything that decides the outcome.
        supervised: see `heron_sim.driving.episode.run_episode`.
        blank: the policy's pictures are black.
        sentence: None: the policy is told manoeuvres as the route has them, with the world's sentence; empty: without a sentence; else this sentence
            alone at the first junction with a choice, with the manoeuvre `follow` all the way.
        first_turn: the drive ends after the first junction with a choice.
        told: the row has `told`: what was explained, and what there was to explain (`heron_sim.evaluation.told`).
    """

    scenario: Scenario
    seed: int
    policy: str
    vehicle: Path
    latency_s: float
    fingerprint: str
    supervised: bool = False
    blank: bool = False
    sentence: str | None = None
    first_turn: bool = False
    told: bool = False

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What makes it the same drive."""
        return self.scenario.name, self.seed, self.policy, self.fingerprint


def jobs(scenarios: Sequence[Scenario], seeds: Sequence[int], policy: str, vehicle: Path, latency_s: float, **more: Any) -> list[Job]:
    """All drives of a matrix: seed by seed, so that a stopped one has something of every scenario.

    Args:
        scenarios: of the matrix.
        seeds: each is driven in every scenario.
        policy: see `Job`.
        vehicle: folder of the car.
        latency_s: from a plan's stamp until it arrives.
        more: other attributes of `Job`.

    Raises:
        PolicyError: the policy's folder cannot be used.
    """
    code = code_digest(vehicle, policy)
    return [signed(Job(each, seed, policy, vehicle, latency_s, "", **more), code) for seed in seeds for each in scenarios]


def signed(job: Job, code: str) -> Job:
    """The job with its fingerprint; `code`: of `code_digest`."""
    told = (job.latency_s, job.scenario.config, job.supervised, job.blank, job.sentence, job.first_turn, job.told)
    return replace(job, fingerprint=hashlib.sha256(f"{code} {told!r}".encode()).hexdigest()[:16])


def code_digest(vehicle: Path, policy: str) -> str:
    """Of the code that decides how a drive goes, of the car and of the policy: rows of other code are not taken for this one's."""
    from heron_sim.driving.episode import POLICIES
    from heron_vla.folder import load_policy

    digest = hashlib.sha256()
    files: list[Path] = []
    packages = [*DRIVING_PACKAGES]
    if policy not in POLICIES:
        packages += SEEING_PACKAGES
        digest.update(load_policy(Path(policy)).digest.encode())
    for package in packages:
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations or ()) if found else ():
            files += sorted(Path(folder).rglob("*.py"))
    for path in (*files, *sorted(path for path in vehicle.iterdir() if path.is_file())):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def drive(job: Job) -> Row:
    """One drive → its row: what ended it before its time is a failure, never an exception."""
    from heron_control.proving_ground.closed_loop import LoopCar
    from heron_sim.driving.episode import drive_episode
    from heron_sim.evaluation.told import told

    begin, begin_cpu = time.perf_counter(), time.process_time()
    row: Row = {"scenario": job.scenario.name, "seed": job.seed, "policy": job.policy, "fingerprint": job.fingerprint}
    try:
        town, route = job.scenario.build(job.seed)
        planner = _planner(job, town, route)
        vehicle, until = LoopCar.load(job.vehicle), _after_first_turn(route) if job.first_turn else None
        episode = drive_episode(vehicle, town, route, job.scenario.config, job.seed, job.latency_s, planner, None, job.supervised, until)
    except HeronError as error:
        row |= {"passed": False, "seconds": 0.0, "failures": [str(error)], "driving": {}}
    except Exception as error:  # a fault of ours in one drive must not end the others
        row |= {"passed": False, "seconds": 0.0, "failures": [f"{type(error).__name__}: {error}"], "driving": {}}
        row["traceback"] = traceback.format_exc()
    else:
        report = episode.report()
        row |= {
            key: report[key]
            for key in ("passed", "seconds", "ended", "disengagements", "failures", "driving", "plans", "plans_refused", "track_sha256")
        }
        for key, name in (("not_planned", "refused"), ("sentences", "told")):
            row[key] = dict(sorted(getattr(planner, name, {}).items()))
        if job.told:
            row["told"] = told(episode, None if isinstance(planner, str) else getattr(planner, "said", ()))
    row["wall_s"], row["cpu_s"] = round(time.perf_counter() - begin, 3), round(time.process_time() - begin_cpu, 3)
    return row


def _planner(job: Job, town: Town, route: Route) -> str | Planner:
    from heron_core.rig import load_rig
    from heron_sim.driving.episode import POLICIES
    from heron_sim.driving.policy_driver import PolicyDriver, as_the_route_says

    if job.policy in POLICIES:
        return job.policy
    first, sentence = next((turn.manoeuvre for turn in route.turns if turn.manoeuvre is not Manoeuvre.FOLLOW), None), job.sentence

    def instruct(manoeuvre: Manoeuvre) -> tuple[str, str]:
        if sentence is None:
            return as_the_route_says(manoeuvre)
        if not sentence:
            return manoeuvre.value, ""
        return Manoeuvre.FOLLOW.value, sentence if manoeuvre is first else ""

    rig = load_rig(job.vehicle / "rig.yaml")
    return PolicyDriver.of(Path(job.policy), rig, town, route, job.scenario.config.weather, job.seed, job.blank, instruct, speaks=job.told)


def _after_first_turn(route: Route) -> Callable[[Truth], bool]:
    from heron_sim.driving.judge_following import TAKEN_M

    end_m = next((turn.end_m for turn in route.turns if turn.manoeuvre is not Manoeuvre.FOLLOW), route.line.length_m) + TAKEN_M + 1.0
    return lambda truth: truth.ego.route_s_m > end_m
