"""The work of one evaluation as jobs of a matrix: drives to be counted, drives through single junctions, drives with black pictures, and probes."""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from heron_core.errors import HeronError, InputError
from heron_sim.config import RouteConfig, ScenarioConfig, TownConfig, TrafficConfig
from heron_sim.matrix_jobs import Job, Row, code_digest, drive, jobs, signed
from heron_sim.roads.network import Manoeuvre
from heron_sim.scenario import Scenario

TURNS = (Manoeuvre.LEFT, Manoeuvre.RIGHT, Manoeuvre.STRAIGHT)
JUNCTION_S, JUNCTION_MPS = 40.0, 7.0
FIRST_TRAINED = 50_000  # towns from this seed on are for training: see `heron_model.town.config`
LANGUAGES = ("en", "ja")
POLICY, BLANK, COMMAND, LAMP, TURN, LEARNT = "policy", "blank", "command", "lamp", "turn", "learnt"
BASELINES = (("expert", "expert"), ("kinematic", "kinematic"))

Sentences = Mapping[str, Mapping[Manoeuvre, Sequence[str]]]
"""Language → manoeuvre → sentences that ask for it and that no policy was trained with; may be empty."""

Reading = tuple[str, str, str]
"""Language, intent, and a sentence that asks for it and that no policy was trained with."""


@dataclass(frozen=True)
class Extent:
    """How much is done.

    Attributes:
        seeds: of the drives that are counted.
        blank: of the seeds, that are driven with black pictures.
        junctions: seeds of single junctions; each is driven with every manoeuvre, by command and by a sentence of each language.
        probes: seeds at which single moments are asked about.
        learnt: drives of the expert in towns of the training, from which explanations are looked up without looking; of a policy that speaks.
    """

    seeds: tuple[int, ...]
    blank: int = 4
    junctions: int = 8
    probes: int = 12
    learnt: int = 16

    def __post_init__(self) -> None:
        known = [seed for seed in self.seeds if seed >= FIRST_TRAINED]
        if known:
            raise InputError(f"seed {known[0]}: towns from {FIRST_TRAINED} on are for training, a policy may know them; give lower seeds")


@dataclass(frozen=True)
class ProbeJob(Job):
    """Moments of one seed that the policy is asked about; see `probes`.

    Attributes:
        kind: `lamp` or `turn`.
        sentences: (language, a sentence for each of `TURNS`), for `turn`.
        readings: sentences whose intent the policy is asked for.
        picture: where the first scene is drawn, with the paths of two instructions; None: it is not.
    """

    kind: str = LAMP
    sentences: tuple[tuple[str, tuple[str, ...]], ...] = ()
    readings: tuple[Reading, ...] = ()
    picture: Path | None = None


def junction(manoeuvre: Manoeuvre) -> Scenario:
    """A junction alone: no lamps, nobody else, so that only the way that is taken is tested; the car comes at it in motion."""
    nobody = TrafficConfig(cars=0, trucks=0, bicycles=0, pedestrians=0)
    route = RouteConfig(turns=(manoeuvre,), length_m=250.0, start_speed_mps=JUNCTION_MPS)
    name = f"junction_{manoeuvre.value}"
    return Scenario(name, ScenarioConfig(name, JUNCTION_S, TownConfig(signals=0.0), traffic=nobody, route=route), Path(f"{name}.yaml"))


def plan_work(
    scenario: Scenario,
    policy: Path,
    vehicle: Path,
    latency_s: float,
    extent: Extent,
    sentences: Sentences,
    out: Path,
    readings: Sequence[Reading] = (),
    speaks: bool = False,
) -> dict[str, list[Job]]:
    """All jobs of an evaluation by what they are for, in the order in which they are done.

    Args:
        scenario: of the drives that are counted.
        policy: its folder.
        vehicle: folder of the car.
        latency_s: from a plan's stamp until it arrives.
        extent: how much.
        sentences: to be told; a language without any is left out.
        out: folder of pictures.
        readings: to be understood, spread over the moments that are asked about.
        speaks: the policy explains itself, and what it says in the drives that are counted is kept, beside what the expert says.

    Raises:
        PolicyError: the policy's folder cannot be used.
    """
    path, seeds, at = str(policy), list(extent.seeds), list(range(extent.junctions))
    work = {
        who: jobs([scenario], seeds, driver, vehicle, latency_s, supervised=True, told=speaks and who != "kinematic")
        for who, driver in (*BASELINES, (POLICY, path))
    }
    if speaks:
        trained = list(range(FIRST_TRAINED, FIRST_TRAINED + extent.learnt))
        work[LEARNT] = jobs([scenario], trained, "expert", vehicle, latency_s, told=True)
    work[BLANK] = jobs([scenario], seeds[: extent.blank], path, vehicle, latency_s, supervised=True, blank=True)
    ways, code = [junction(manoeuvre) for manoeuvre in TURNS], code_digest(vehicle, path)
    work[COMMAND] = jobs(ways, at, path, vehicle, latency_s, supervised=True, first_turn=True, sentence="")
    for language in LANGUAGES:
        told = {way.name: said for way, manoeuvre in zip(ways, TURNS, strict=True) if (said := sentences.get(language, {}).get(manoeuvre))}
        like = [job for job in work[COMMAND] if job.scenario.name in told]
        work[language] = [signed(replace(job, sentence=told[job.scenario.name][job.seed % len(told[job.scenario.name])]), code) for job in like]
    made = jobs([scenario], [0], path, vehicle, latency_s)
    work[LAMP] = _probes(LAMP, scenario, extent.probes, made[0], {}, readings[::2], None)
    work[TURN] = _probes(TURN, ways[0], extent.probes, made[0], sentences, readings[1::2], out)
    return {name: found for name, found in work.items() if found}


def do(job: Job) -> Row:
    """Does one job, in a process of its own."""
    return probe(job) if isinstance(job, ProbeJob) else drive(job)


def probe(job: ProbeJob) -> Row:
    """Asks the policy about the moments of one seed.

    Returns:
        A row with `changes`: name → metres that its plan changed, of each scene; and `readings`: (language, intent, sentence, what it was
        taken for).
    """
    from heron_control.proving_ground.closed_loop import LoopCar
    from heron_core.rig import load_rig
    from heron_sim.driving.policy_driver import open_policy
    from heron_sim.evaluation.picture import draw_two_paths
    from heron_sim.evaluation.probes import before_red, before_turn, probe_command, probe_lamp, probe_sentence
    from heron_sim.evaluation.scenes import Asked, find_scenes

    begin = time.perf_counter()
    row: Row = {"scenario": job.scenario.name, "seed": job.seed, "policy": job.policy, "fingerprint": job.fingerprint}
    changes: dict[str, list[float]] = {}
    readings: list[tuple[str, str, str, str]] = []
    faults: list[str] = []
    try:
        vehicle, rig, policy = LoopCar.load(job.vehicle), load_rig(job.vehicle / "rig.yaml"), open_policy(Path(job.policy))
        town, route = job.scenario.build(job.seed)
        wanted = before_red(town, route) if job.kind == LAMP else before_turn(route)
        for scene in find_scenes(vehicle, town, route, job.scenario.config, job.seed, job.latency_s, wanted):
            asked = Asked(policy, rig, scene)
            readings += [(language, intent, sentence, asked.intent(sentence)) for language, intent, sentence in job.readings]
            if job.kind == LAMP:
                changes.setdefault(LAMP, []).append(probe_lamp(asked, scene))
            elif len(scene.choices()) > 1:
                left, right = scene.choices()[0], scene.choices()[-1]
                changes.setdefault(COMMAND, []).append(probe_command(asked, left, right))
                pairs = [(language, said[TURNS.index(left)], said[TURNS.index(right)]) for language, said in job.sentences]
                for language, first, second in pairs:
                    changes.setdefault(language, []).append(probe_sentence(asked, first, second))
                if job.picture is not None:
                    draw_two_paths(job.picture, rig, scene, asked, (left, right), pairs[0][1:] if pairs else None)
    except HeronError as error:
        faults.append(str(error))
    except Exception as error:  # a fault of ours in one probe must not end the others
        faults.append(f"{type(error).__name__}: {error}")
        row["traceback"] = traceback.format_exc()
    return row | {
        "changes": changes,
        "readings": readings,
        "failures": faults,
        "passed": not faults,
        "seconds": 0.0,
        "driving": {},
        "wall_s": round(time.perf_counter() - begin, 3),
    }


def _probes(kind: str, scenario: Scenario, count: int, like: Job, sentences: Sentences, readings: Sequence[Reading], out: Path | None) -> list[Job]:
    found: list[Job] = []
    shared: dict[str, Any] = {each.name: getattr(like, each.name) for each in fields(Job)}
    for seed in range(count):
        told = tuple(
            (language, tuple(by_turn[turn][seed % len(by_turn[turn])] for turn in TURNS))
            for language, by_turn in sentences.items()
            if all(by_turn.get(turn) for turn in TURNS)
        )
        mine = tuple(readings[seed::count])
        asked = hashlib.sha256(f"{told!r} {mine!r}".encode()).hexdigest()[:16]
        named = {"scenario": scenario, "seed": seed, "fingerprint": f"{like.fingerprint} {kind} {asked}"}
        picture = out / f"two_paths_{seed}.png" if out else None
        found.append(ProbeJob(**(shared | named), kind=kind, sentences=told, readings=mine, picture=picture))
    return found
