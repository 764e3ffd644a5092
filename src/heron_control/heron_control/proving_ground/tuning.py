"""The tuning report: manoeuvres at several speeds in the closed loop, their figures and what breaks a bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from heron_control.proving_ground.closed_loop import Drive, LoopCar, drive
from heron_control.proving_ground.manoeuvre import CROSS_TRACK_MAX_M, MANOEUVRES, STOP_ERROR_MAX_M, Figures, Manoeuvre, figures
from heron_core.errors import InputError

AGED = 1.5  # plans that are older on purpose may cost this factor of place, not more
SPEEDS_KMH = (10.0, 30.0, 50.0, 100.0)
COMPARED = "slalom"  # where the age of plans costs most
OLDER_S = 0.2
AGES = ((0.0, True), (OLDER_S, True), (OLDER_S, False))  # how much later plans arrive, and whether control knows


@dataclass(frozen=True)
class TuningConfig:
    """What to drive.

    Attributes:
        names: of `MANOEUVRES`.
        speeds_kmh: each is driven at each.
        seed: of the sensors' noise.
        older_s: by how much plans arrive later than they should.
        compensated: False: control takes plans for as young as they arrive.
    """

    names: tuple[str, ...] = tuple(MANOEUVRES)
    speeds_kmh: tuple[float, ...] = SPEEDS_KMH
    seed: int = 1
    older_s: float = 0.0
    compensated: bool = True

    def __post_init__(self) -> None:
        unknown = [name for name in self.names if name not in MANOEUVRES]
        if unknown or not self.names:
            raise InputError(f"no manoeuvre {', '.join(unknown) or 'named'}; there are: {', '.join(MANOEUVRES)}")
        if not self.speeds_kmh:
            raise InputError("no speed named; give km/h, such as --speed 10 --speed 100")
        if not (math.isfinite(self.older_s) and 0.0 <= self.older_s <= 0.2):
            raise InputError(f"plans {self.older_s} s older; allowed 0 .. 0.2: beyond that the ladder stops the car")


@dataclass(frozen=True)
class Result:
    """One manoeuvre as driven; `faults` are the bounds that it broke."""

    manoeuvre: Manoeuvre
    drive: Drive
    figures: Figures
    faults: tuple[str, ...]

    @property
    def speed_kmh(self) -> float:
        """Of the manoeuvre."""
        return round(self.manoeuvre.speed_mps * 3.6, 3)

    @property
    def age(self) -> str:
        """Of its plans, for people."""
        config = self.manoeuvre.config
        older = f"{1e3 * config.extra_age_s:+.0f} ms" if config.extra_age_s > 0.0 else "in time"
        return older if config.compensated else f"{older} without compensation"


def plan_drives(vehicle: LoopCar, config: TuningConfig) -> list[Manoeuvre]:
    """The manoeuvres, slowest first within a kind.

    Raises:
        InputError: a speed that the car's limits do not allow.
    """
    top_kmh = 3.6 * vehicle.limits.speed_max_mps
    for kmh in config.speeds_kmh:
        if not 5.0 <= kmh <= top_kmh - 2.0:  # sensors may read a little more than the truth
            raise InputError(
                f"speed {kmh:g} km/h; allowed 5 .. {top_kmh - 2.0:.0f}, as speed_max_mps in limits.yaml is {vehicle.limits.speed_max_mps:g}"
            )
    found = [MANOEUVRES[name](vehicle, kmh / 3.6) for name in config.names for kmh in sorted(config.speeds_kmh)]
    changes = {"seed": config.seed, "extra_age_s": config.older_s, "compensated": config.compensated}
    return [replace(each, config=replace(each.config, **changes)) for each in found]  # type: ignore[arg-type]


def plan_ages(planned: Sequence[Manoeuvre]) -> list[Manoeuvre]:
    """The fastest slalom with plans in time, older, and older without compensation; nothing when plans are not in time or no slalom is driven."""
    slaloms = [each for each in planned if each.name == COMPARED and each.config.extra_age_s == 0.0 and each.config.compensated]
    fastest = slaloms[-1:]
    return [replace(each, config=replace(each.config, extra_age_s=older_s, compensated=known)) for each in fastest for older_s, known in AGES]


def run(vehicle: LoopCar, manoeuvre: Manoeuvre, progress: Callable[[float], None] | None = None) -> Result:
    """Drives one manoeuvre and judges it."""
    done = drive(vehicle, manoeuvre.course, manoeuvre.config, progress)
    judged = figures(manoeuvre, done)
    aged = AGED if manoeuvre.config.extra_age_s > 0.0 else 1.0
    return Result(manoeuvre, done, judged, tuple(judged.faults(vehicle.limits, manoeuvre.course.stop_m is not None, aged)))


def report(results: Sequence[Result], config: TuningConfig, ages: Sequence[Result] = ()) -> dict[str, Any]:
    """report.json: the configuration, the bounds, and per drive its figures (null where there is none) and faults.

    Args:
        results: of the drives.
        config: what was wished for.
        ages: of `plan_ages`; what the drive without compensation breaks does not count, it shows what compensation is good for.
    """
    counted = [*results, *(result for result in ages if result.manoeuvre.config.compensated)]
    return {
        "config": asdict(config),
        "bounds": {"cross_track_max_m": CROSS_TRACK_MAX_M, "stop_error_max_m": STOP_ERROR_MAX_M, "older_plans_factor": AGED},
        "passed": not any(result.faults for result in counted),
        "drives": [_drive(result) for result in results],
        "ages": [
            {"older_s": result.manoeuvre.config.extra_age_s, "compensated": result.manoeuvre.config.compensated, **_drive(result)} for result in ages
        ],
    }


def _drive(result: Result) -> dict[str, Any]:
    return {
        "manoeuvre": result.manoeuvre.name,
        "speed_kmh": result.speed_kmh,
        **{name: _plain(value) for name, value in asdict(result.figures).items()},
        "plans_refused": dict(result.drive.refused),
        "gate": dict(result.drive.gate),
        "faults": list(result.faults),
    }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
