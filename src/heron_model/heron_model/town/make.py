"""A folder of samples from the world: drives on all cores, a Parquet file each; a stopped run goes on where it was."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml

from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.errors import HeronError, InputError
from heron_core.rig import load_rig
from heron_model.layout import EGO_STEPS, views
from heron_model.others import packed
from heron_model.plain_yaml import plain
from heron_model.sample_writer import blank, encode_bgr, write_rows
from heron_model.samples import FILE, VIEWS
from heron_model.town.config import TownDataConfig
from heron_model.town.drive import Disturbances, Moment, record_drive
from heron_model.town.keep import EVERY, braking, near_lights, with_a_choice, worth_a_picture, yielding
from heron_model.town.labels import Labeller
from heron_model.town.late import LateChanges
from heron_model.town.others import OtherManoeuvres, OtherPlan
from heron_model.town.scenes import draw_route, draw_scenario
from heron_model.town.wander import Wander
from heron_sim.drawing.rays import View, virtual_view
from heron_sim.drawing.renderer import Picture, Renderer
from heron_sim.matrix import worker_pool
from heron_sim.roads.generate import generate_town

NAMES = ("front", "narrow", "front_left", "front_right", "back", "back_left", "back_right")  # of the pictures, in the order of `layout.views`
PAST_VIEWS = (1,)  # whose past is seen
PACKAGES = ("heron_sim", "heron_model.town")  # whose code decides what samples look like


class DataError(HeronError):
    """Samples could not be made."""

    is_failure = True


def world_views(vehicle: Path) -> dict[str, View]:
    """The policy's virtual cameras at the car's cameras."""
    rig = load_rig(vehicle / "rig.yaml")
    missing = [view.camera for view in views() if view.camera not in rig.cameras]
    if missing:
        raise InputError(f"{vehicle / 'rig.yaml'}: no {', '.join(missing)}, and DriveHeron is trained with {', '.join(v.camera for v in views())}")
    return {name: virtual_view(view, rig.cameras[view.camera]) for name, view in zip(NAMES, views(), strict=True)}


def drive_file(folder: Path, seed: int) -> Path:
    """Where the samples of one drive lie."""
    return folder / f"drive_{seed:08d}.parquet"


def make_drive(folder: Path, vehicle: Path, config: TownDataConfig, seed: int, policy: Path | None = None) -> dict[str, Any]:
    """One drive → its file, by one rename; what it holds."""
    begin = time.perf_counter()
    car = LoopCar.load(vehicle)
    scenario = draw_scenario(seed, config.seconds)
    town = generate_town(scenario.town, seed)
    route = draw_route(town.network, scenario.route, seed, config.change_share)
    seen = world_views(vehicle)
    planner, quiet_s = None, config.quiet_s
    if policy is not None:
        from heron_model.town.policy import WorldPolicy  # renders and runs the policy

        planner, quiet_s = WorldPolicy(policy, vehicle, town, route, scenario, seed).plan, 0.0
    disturbances = Disturbances(seed, quiet_s, config.turned_rad, car.model.wheelbase_m, config.late_braking_share)
    wander = Wander(seed, route.line.length_m, config.aside_m, LateChanges(town.network, route, seed, config.late_share))
    moments, driving = record_drive(car, town, route, scenario, seed, disturbances, wander, planner)
    driven = time.perf_counter()
    labeller = Labeller(town.network, route, seen)
    asked = OtherManoeuvres(car, town, route, seen)
    others = [asked.at(moment.truth, moment.plan.points) for moment in moments]
    match config.only:
        case "choices":
            kept = with_a_choice(others)
        case "yielding":
            kept = yielding(moments, seed)
        case "lights":
            kept = near_lights(moments, labeller, seed)
        case "braking":
            kept = braking(moments)
        case "":
            kept = worth_a_picture(moments, labeller, route, seed)
    renderer = Renderer(town, seen, scenario.weather, seed, small=True)
    past_only = [NAMES[view] for view in PAST_VIEWS]
    writer = _Rows(config.jpeg_quality)
    for index in kept:
        truth = moments[index].truth
        if index - EVERY not in writer.row_of:
            writer.past(index - EVERY, moments[index - EVERY], renderer.render(moments[index - EVERY].truth, only=past_only))
        writer.sample(index, moments, renderer.render(truth, labels=True), labeller, others[index])
    path = drive_file(folder, seed)
    write_rows(path, writer.rows)
    return {
        "seed": seed,
        "samples": len(kept),
        "distance_m": round(driving.distance_m, 1),
        "drive_s": round(driven - begin, 2),
        "picture_s": round(time.perf_counter() - driven, 2),
    }


class _Rows:
    """Rows of one file as they come."""

    def __init__(self, quality: int) -> None:
        self._quality = quality
        self.rows: list[dict[str, Any]] = []
        self.row_of: dict[int, int] = {}

    def past(self, index: int, moment: Moment, pictures: Mapping[str, Picture]) -> None:
        """A row that is only the past of another."""
        row = blank(moment.truth.time_ns)
        for view in PAST_VIEWS:
            row[f"view_{view}"] = encode_bgr(pictures[NAMES[view]].image, self._quality)
        self._add(index, row)

    def sample(self, index: int, moments: Sequence[Moment], pictures: Mapping[str, Picture], labeller: Labeller, others: Sequence[OtherPlan]) -> None:
        """A labelled row."""
        moment = moments[index]
        row = blank(moment.truth.time_ns) | {f"view_{view}": encode_bgr(pictures[NAMES[view]].image, self._quality) for view in range(VIEWS)}
        words = labeller.words(moment.truth, pictures)
        said = moment.plan.explanation
        row |= {
            "labelled": True,
            "past": self.row_of[index - EVERY],
            "ego_hist": _ego_history(moments, index),
            "trajectory": moment.plan.points.reshape(-1).tolist(),
            "manoeuvre": words["turn"],
            "signal": words["signal"],
            "ahead": words["ahead"],
            "turn": words["turn"],
            "reason": said.reason.value,
            "english": said.english,
            "japanese": said.japanese,
            "aux": labeller.dense(moment.truth, pictures),
            "others": packed([each.seen_in(pictures) for each in others]),
        }
        self._add(index, row)

    def _add(self, index: int, row: dict[str, Any]) -> None:
        self.row_of[index] = len(self.rows)
        self.rows.append(row)


def _ego_history(moments: Sequence[Moment], index: int) -> list[float]:
    rows = [moments[max(index - back, 0)].truth.ego for back in range(EGO_STEPS - 1, -1, -1)]
    return [float(value) for ego in rows for value in (ego.speed_mps, ego.yaw_rate_rps, ego.accel_mps2)]


def describe(folder: Path, vehicle: Path, config: TownDataConfig, policy: Path | None) -> None:
    """Writes `samples.yaml`, or checks that the folder was begun in the same way.

    Raises:
        InputError: the folder holds samples of another kind.
    """
    wanted = {
        "source": "world",
        "views": [dataclasses.asdict(view) for view in views()],
        "config": {**dataclasses.asdict(config), "drives": 0},
        "vehicle": vehicle.name,
        "policy": "" if policy is None else hashlib.sha256((policy / "policy.yaml").read_bytes()).hexdigest(),
        "code": code_digest(),
    }
    wanted = plain(wanted)
    path = folder / FILE
    if path.exists():
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        changed = sorted(key for key in wanted if found.get(key) != wanted[key])
        if changed:
            raise InputError(
                f"{path}: these samples were made in another way ({', '.join(changed)} differ); give another --out, or delete the folder"
            )
        return
    path.write_text(yaml.safe_dump(wanted, sort_keys=False), encoding="utf-8")


def code_digest() -> str:
    """Of the code that decides what samples look like."""
    import importlib.util

    digest = hashlib.sha256()
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        for place in (found.submodule_search_locations or ()) if found else ():
            for path in sorted(Path(place).rglob("*.py")):
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def make_samples(
    folder: Path,
    vehicle: Path,
    config: TownDataConfig,
    workers: int,
    policy: Path | None = None,
    on_drive: Callable[[Mapping[str, Any]], None] = lambda row: None,
) -> int:
    """Makes what is missing in a folder.

    Args:
        folder: of the samples; a stopped run goes on.
        vehicle: folder of the car.
        config: which drives.
        workers: processes.
        policy: drives instead of the expert in `config.policy_share` of the drives.
        on_drive: is told of each drive that is done now.

    Returns:
        how many labelled samples the folder holds.

    Raises:
        InputError: the folder holds samples of another kind.
        DataError: a process died, or not one drive gave samples.
    """
    folder.mkdir(parents=True, exist_ok=True)
    describe(folder, vehicle, config, policy)
    wanted = range(config.first_seed, config.first_seed + config.drives)
    missing = [seed for seed in wanted if not drive_file(folder, seed).exists()]
    failed: list[str] = []
    if missing:
        try:
            with worker_pool(workers) as pool:
                coming = {}
                for seed in missing:
                    led = policy if policy is not None and _led(seed, config.policy_share) else None
                    coming[pool.submit(make_drive, folder, vehicle, config, seed, led)] = seed
                for done in as_completed(coming):
                    try:
                        on_drive(done.result())
                    except InputError as error:  # no room for the car in this town: one drive less
                        failed.append(f"seed {coming[done]}: {error}")
                        on_drive({"seed": coming[done], "samples": 0, "failed": str(error)})
        except BrokenExecutor as error:
            raise DataError(f"a process that makes samples died (killed, or out of memory); the same command goes on: {error}") from error
    count = sum(int(np.sum(pq.read_table(path, columns=["labelled"])["labelled"].to_numpy())) for path in sorted(folder.glob("drive_*.parquet")))
    if count == 0:
        raise DataError(f"{folder}: no samples came of {config.drives} drives: {'; '.join(failed[:3])}")
    return count


def _led(seed: int, share: float) -> bool:
    return float(np.random.default_rng([seed, 504]).random()) < share
