"""What a run needs before it starts: the recording's car, the policy folder, the output folder."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from heron_bag.native import camera_topics, rig_of
from heron_bag.reader import Bag, open_bag
from heron_bringup.paths import shipped_policy
from heron_can.car import load_car
from heron_core.errors import InputError, RigMismatchError
from heron_core.limits import load_limits
from heron_core.rig import dump_rig, load_rig
from heron_core.vehicle_model import load_vehicle_model
from heron_sim.config import LARGEST_SEED
from heron_vla.folder import load_policy

KINEMATIC, EXPERT = "kinematic", "expert"
RESULT_FILES = ("report.json", "mosaic.mp4", "mosaic.jpg", "budget.png")
RESULT_FOLDERS = ("components", "bag", "vehicle", "log", "spec")
LARGEST = (1920, 1280)
MARKER = ".heron-drive"
"""Says that a run made the results in its folder: others are never removed."""


@dataclass(frozen=True)
class DriveOptions:
    """What the command line says.

    Attributes:
        out: output folder.
        bag: recording to drive; None: the simulated world.
        lockstep: a recording on simulated time, identical to the bit; else in real time. The simulated world always is.
        live: the car.
        policy: a policy folder, `kinematic`, or in the simulated world `expert`; None: see `driver`.
        vehicle: folder of the car; None: the recording's own, else the demonstration car.
        seconds: stop after this much time; None for all.
        images: make the mosaic; without, the simulated world has no cameras.
        seed: of the simulated world, or of the generated recording.
        scenario: of the simulated world: a name or a file; empty: the town.
        size: of the simulated cameras' pictures, width and height in pixels.
        street: the generated calibration street, a recording, in the place of the simulated world.
        remote: parameter file of the link to the computer where the policy thinks; None: here.
    """

    out: Path
    bag: Path | None = None
    lockstep: bool = False
    live: bool = False
    policy: str | None = None
    vehicle: Path | None = None
    seconds: float | None = None
    images: bool = True
    seed: int = 0
    scenario: str = ""
    size: tuple[int, int] = (640, 400)
    street: bool = False
    remote: Path | None = None

    def __post_init__(self) -> None:
        if self.live and (self.bag is not None or self.lockstep):
            raise InputError("--live drives the car: it goes neither with --bag nor with --lockstep")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise InputError(f"--seconds {self.seconds} is not a time; give a number above 0")
        if not (16 <= self.size[0] <= LARGEST[0] and 16 <= self.size[1] <= LARGEST[1]):
            raise InputError(f"--size {self.size[0]}x{self.size[1]}; allowed 16x16 .. {LARGEST[0]}x{LARGEST[1]}")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise InputError(f"--seed {self.seed}; allowed 0 .. {LARGEST_SEED}")
        if not self.simulated and (self.scenario or self.policy == EXPERT):
            what = f"--scenario {self.scenario}" if self.scenario else f"--policy {EXPERT}"
            raise InputError(f"{what} is for the simulated world: it goes neither with --bag nor with --live nor with --street")
        if self.simulated and not self.images and self.driver != EXPERT:
            raise InputError(f"--no-images: without cameras only the expert can drive; {self.driver} needs their images")
        if self.remote is not None and not self.remote.is_file():
            raise InputError(f"--remote {self.remote} is no file; give the link's parameters, such as config/profile/remote.yaml")
        if self.remote is not None and self.driver == EXPERT:
            raise InputError("--remote: the expert thinks in the simulated world, no other computer can for it; give a --policy folder")
        if self.street and self.bag is not None:
            raise InputError("--street is a recording: it does not go with --bag")

    @property
    def simulated(self) -> bool:
        """It is driven in the simulated world."""
        return not self.live and self.bag is None and not self.street

    @property
    def driver(self) -> str:
        """Who plans: `expert`, `kinematic` or a policy folder.

        Unless told, the policy that ships: but the expert where a simulated world has no cameras, and the baseline in the car.
        """
        shipped = None if self.live or (self.simulated and not self.images) else shipped_policy()
        return self.policy or (str(shipped) if shipped else EXPERT if self.simulated else KINEMATIC)


def fitting_driver(options: DriveOptions, vehicle: Path, say: Callable[[str], None]) -> str:
    """`options.driver`, or who drives in its place where nobody asked for the policy that ships and the car in `vehicle` lacks its cameras.

    Raises:
        HeronError: a file is wrong; the text names file and key.
    """
    if options.policy is None and options.driver not in (EXPERT, KINEMATIC):
        try:
            load_policy(Path(options.driver), load_rig(vehicle / "rig.yaml"))
        except RigMismatchError as error:
            other = EXPERT if options.simulated else KINEMATIC
            say(f"{error}; so {other} drives")
            return other
    return options.driver


def link_arguments(options: DriveOptions) -> dict[str, str]:
    """The launch arguments that say where the policy thinks."""
    return {} if options.remote is None else {"remote": "true", "link": str(options.remote.resolve())}


def prepare_out(out: Path, inputs: Sequence[Path] = ()) -> None:
    """Makes the output folder; what an earlier run left there under our names is removed, anything else is kept.

    Args:
        out: the folder.
        inputs: what this run reads: must not be among what is removed.

    Raises:
        InputError: `out` is a file or cannot be made, holds files under our names that no run made, or an input.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    there = [out / name for name in (*RESULT_FILES, *RESULT_FOLDERS) if (out / name).exists()]
    for path in inputs:
        if any(path.resolve().is_relative_to(old.resolve()) for old in there):
            raise InputError(f"{path} lies in --out {out}, whose earlier results this run replaces; give another --out")
    if there and not (out / MARKER).exists():
        raise InputError(f"--out {out} holds {', '.join(old.name for old in there)}, which no run of drive made; give another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / MARKER).touch()
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from error
    for old in there:
        shutil.rmtree(old) if old.is_dir() else old.unlink()


def unpack_vehicle(bag: Bag, fallback: Path, folder: Path) -> Path:
    """Writes the car that the recording was made with into `folder` and returns it.

    A recording without our attachments (made by another tool) takes its cameras from /camera/*/camera_info and /tf_static and everything else from
    `fallback`.

    Raises:
        InputError: the recording has images but no calibration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    attached = {name.removeprefix("vehicle/"): name for name in bag.attachments if name.startswith("vehicle/")}
    if "can.yaml" not in attached:
        shutil.copytree(fallback, folder, dirs_exist_ok=True)
    for relative, name in attached.items():
        target = folder / relative
        if not target.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{bag.path}: attachment {name!r} points outside its folder; the recording is not trusted")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(bag.attachments[name])
    if "rig.yaml" not in attached:
        (folder / "rig.yaml").write_text(dump_rig(rig_of(bag)), encoding="utf-8")
    return folder


def check_inputs(vehicle: Path, policy: Path) -> None:
    """Reads what the components will read, so that a wrong file is told in one sentence before any process starts.

    Raises:
        HeronError: a file is wrong, or they do not fit each other; the text names file and key.
    """
    rig = load_rig(vehicle / "rig.yaml")
    load_vehicle_model(vehicle / "vehicle.yaml")
    load_limits(vehicle / "limits.yaml")
    load_car(vehicle)
    load_policy(policy, rig)


def open_recording(path: Path) -> Bag:
    """Opens a recording that holds at least one message.

    Raises:
        InputError: nothing there, empty, without images, or without CAN frames.
    """
    bag = open_bag(path)
    if not any(info.count for info in bag.topics.values()):
        bag.close()
        raise InputError(f"{path}: the recording holds no messages")
    lacking = None
    if not camera_topics(bag):
        lacking = "no images (/camera/*), so there is nothing to see"
    elif "/can/tap" not in bag.topics:
        lacking = "no CAN frames (/can/tap), so the car's speed is unknown and nothing can be planned"
    if lacking:
        bag.close()
        raise InputError(f"{path}: the recording has {lacking}; record or import it with both")
    return bag
