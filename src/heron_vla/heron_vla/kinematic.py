"""The kinematic baseline as a policy folder: constant turn rate and velocity, the floor that every model must beat.

    python -m heron_vla.kinematic --out DIR [--cameras CAM_FRONT …]

The graph is a real ONNX file in the same contract as any policy. It declares images, so that the whole pipeline runs, and does not look at them.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from heron_core.trajectory import POINTS, STEP_S, TIMES_S
from heron_vla.contract import COMMAND_INPUT, EGO_INPUT, FILE, TRAJECTORY_OUTPUT, VERSION
from heron_vla.folder import PolicyError, load_policy

NAME = "kinematic"
SIZE_PX = 448
# Horizontal field of view of each camera's view, degrees. A rig that lacks a camera is served all the same: every view is optional.
CAMERAS = {
    "CAM_FRONT": 100.0,
    "CAM_FRONT_LEFT": 70.0,
    "CAM_FRONT_RIGHT": 70.0,
    "CAM_BACK": 100.0,
    "CAM_BACK_LEFT": 70.0,
    "CAM_BACK_RIGHT": 70.0,
    "CAM_FRONT_NARROW": 30.0,
}
MANOEUVRES = ("follow", "left", "right", "straight")
COLUMNS = ("speed", "yaw_rate", "accel_x")
HISTORY_STEPS = 8
SMALL_ANGLE_RAD = 1e-3  # below it sin(a)/a = 1 - a²/6 to more digits than float32 has


def constant_turn(speed_mps: float, yaw_rate_rps: float) -> NDArray[np.float64]:
    """(40, 4) x, y, yaw, speed in base_link under constant turn rate and velocity; standstill instead of reverse.

    Closed form: after t the chord of the arc has length v·t·sin(h)/h and points along h, with h = yaw rate · t / 2.
    """
    speed = max(speed_mps, 0.0)
    half = yaw_rate_rps * TIMES_S / 2.0
    chord = speed * TIMES_S * np.sinc(half / np.pi)
    return np.stack([chord * np.cos(half), chord * np.sin(half), 2.0 * half, np.full(POINTS, speed)], axis=1)


def build_graph(views: int) -> bytes:
    """The ONNX file: images [B, views, 3, 448, 448], ego_hist [B, 8, 3], command [B] → trajectory [B, 40, 4]. The same bytes every time."""
    from onnx import TensorProto, helper, numpy_helper

    def const(name: str, value: Any, dtype: type[np.generic]) -> Any:
        return numpy_helper.from_array(np.array(value, dtype=dtype), name)

    def node(op: str, inputs: str, output: str, **attributes: Any) -> Any:
        return helper.make_node(op, inputs.split(), [output], name=output, **attributes)

    constants = [
        const("half_times", [TIMES_S / 2.0], np.float32),
        const("times", [TIMES_S], np.float32),
        const("last", HISTORY_STEPS - 1, np.int64),
        const("speed_column", [COLUMNS.index("speed")], np.int64),
        const("rate_column", [COLUMNS.index("yaw_rate")], np.int64),
        const("small", SMALL_ANGLE_RAD, np.float32),
        const("one", 1.0, np.float32),
        const("two", 2.0, np.float32),
        const("sixth", 1.0 / 6.0, np.float32),
        const("zeros", np.zeros((1, POINTS)), np.float32),
        const("columns", [2], np.int64),
    ]
    nodes = [
        node("Gather", f"{EGO_INPUT} last", "now", axis=1),
        node("Gather", "now speed_column", "measured", axis=1),
        node("Relu", "measured", "speed"),
        node("Gather", "now rate_column", "rate", axis=1),
        node("Mul", "rate half_times", "half"),
        node("Abs", "half", "size"),
        node("Less", "size small", "is_small"),
        node("Where", "is_small one half", "divisor"),
        node("Sin", "half", "sine"),
        node("Div", "sine divisor", "quotient"),
        node("Mul", "half half", "square"),
        node("Mul", "square sixth", "bend"),
        node("Sub", "one bend", "series"),
        node("Where", "is_small series quotient", "sinc"),
        node("Mul", "speed times", "distance"),
        node("Mul", "distance sinc", "chord"),
        node("Cos", "half", "cosine"),
        node("Mul", "chord cosine", "x"),
        node("Mul", "chord sine", "y"),
        node("Mul", "half two", "yaw"),
        node("Add", "speed zeros", "speeds"),
        *(node("Unsqueeze", f"{name} columns", f"{name}_column_out") for name in ("x", "y", "yaw", "speeds")),
        node("Concat", "x_column_out y_column_out yaw_column_out speeds_column_out", TRAJECTORY_OUTPUT, axis=2),
    ]
    graph = helper.make_graph(
        nodes,
        NAME,
        [
            helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", views, 3, SIZE_PX, SIZE_PX]),
            helper.make_tensor_value_info(EGO_INPUT, TensorProto.FLOAT, ["B", HISTORY_STEPS, len(COLUMNS)]),
            helper.make_tensor_value_info(COMMAND_INPUT, TensorProto.INT64, ["B"]),
        ],
        [helper.make_tensor_value_info(TRAJECTORY_OUTPUT, TensorProto.FLOAT, ["B", POINTS, 4])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="heron", ir_version=8)
    return bytes(model.SerializeToString(deterministic=True))


def write_kinematic(out: Path, cameras: Sequence[str] = tuple(CAMERAS)) -> Path:
    """Writes the policy folder; returns it.

    Raises:
        PolicyError: a camera without a known view.
    """
    unknown = [name for name in cameras if name not in CAMERAS]
    if unknown or not cameras:
        raise PolicyError(f"no view is known for {unknown or 'no camera'}; cameras: {', '.join(CAMERAS)}")
    graph = build_graph(len(cameras))
    description = {
        "contract": VERSION,
        "name": NAME,
        "preprocessing": {"mode": "fast"},
        "views": [
            {"camera": name, "input": "images", "width": SIZE_PX, "height": SIZE_PX, "hfov_deg": CAMERAS[name], "required": False} for name in cameras
        ],
        "history": {"steps": 1},
        "ego_history": {"columns": list(COLUMNS), "steps": HISTORY_STEPS, "step_s": 0.1},
        "manoeuvres": list(MANOEUVRES),
        "horizon": {"points": POINTS, "step_s": STEP_S},
        "precision": "fp32",
        "graphs": {"driver": {"file": "driver.onnx", "sha256": hashlib.sha256(graph).hexdigest()}},
        "provenance": {"code": "heron_vla.kinematic", "data": "none", "metrics": {}},
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "driver.onnx").write_bytes(graph)
    (out / FILE).write_text(yaml.safe_dump(description, sort_keys=False), encoding="utf-8")
    return out


def ensure_kinematic(cache_dir: Path) -> Path:
    """The baseline's folder under `cache_dir`, built at first use and again when it is not what this code writes."""
    target = cache_dir / NAME
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir) as scratch:
        fresh = write_kinematic(Path(scratch) / NAME)
        if _same(fresh, target):
            return target
        shutil.rmtree(target, ignore_errors=True)
        try:
            fresh.rename(target)
        except OSError:  # another process was faster
            load_policy(target)
    return target


def _same(first: Path, second: Path) -> bool:
    return all((second / file.name).is_file() and (second / file.name).read_bytes() == file.read_bytes() for file in first.iterdir())


def main() -> None:
    """Writes the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Write the kinematic baseline as a policy folder.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--cameras", nargs="+", default=list(CAMERAS), help="views, in order")
    arguments = parser.parse_args()
    load_policy(write_kinematic(arguments.out, arguments.cameras))


if __name__ == "__main__":
    main()
