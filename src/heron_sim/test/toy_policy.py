"""A policy folder that knows little: it drives on while its pictures are not black, faster the greener they are, and aside as it is told."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from onnx import TensorProto, helper, numpy_helper

from heron_core.trajectory import POINTS, STEP_S
from heron_vla.contract import FILE, VERSION

SIZE = (64, 40)
VIEWS = (("CAM_FRONT", "front", 100.0), ("CAM_FRONT_NARROW", "narrow", 38.0))
MANOEUVRES = ("follow", "left", "right", "straight")
SPEED_MPS, GREENER, ASIDE_MPS2 = 6.0, 0.5, 0.6  # m/s; m/s per level of green over red in the narrow picture; sideways


def write_toy(out: Path, past: bool = True) -> Path:
    """Writes the folder; with `past` it wants the narrow picture of half a second ago too."""
    width, height = SIZE
    shape = [1, 3, height, width]

    def const(name: str, value: Any, dtype: type[np.generic]) -> Any:
        return numpy_helper.from_array(np.array(value, dtype), name)

    def node(op: str, inputs: str, output: str, **attributes: Any) -> Any:
        return helper.make_node(op, inputs.split(), [output], **attributes)

    times = (np.arange(1, POINTS + 1) * STEP_S)[None, :, None]
    colour = np.zeros((1, 1, 3, 1, 1), np.float32)
    colour[0, 0, :, 0, 0] = (-GREENER, GREENER, 0.0)
    constants = [
        const("times", times, np.float32),
        const("aside", 0.5 * ASIDE_MPS2 * times**2, np.float32),
        const("sides", [0.0, 1.0, -1.0, 0.0], np.float32),
        const("speed", [[[SPEED_MPS]]], np.float32),
        const("dark", [[[2.0]]], np.float32),
        const("colour", 3.0 * colour, np.float32),
        const("none", [[[0.0]]], np.float32),
        const("zeros", np.zeros((1, POINTS, 1)), np.float32),
        const("flat", [-1, 1, 1], np.int64),
    ]
    nodes = [
        node("Cast", "front", "front_f", to=TensorProto.FLOAT),
        node("ReduceMean", "front_f", "level", axes=[1, 2, 3, 4], keepdims=0),
        node("Reshape", "level flat", "level3"),
        node("Greater", "level3 dark", "sees"),
        node("Cast", "narrow", "narrow_f", to=TensorProto.FLOAT),
        node("Mul", "narrow_f colour", "tinted"),
        node("ReduceMean", "tinted", "greener", axes=[1, 2, 3, 4], keepdims=0),
        node("Reshape", "greener flat", "greener3"),
        node("Add", "speed greener3", "wished"),
        node("Relu", "wished", "forward"),
        node("Where", "sees forward none", "v"),
        node("Mul", "v times", "x"),
        node("Gather", "sides command", "side"),
        node("Reshape", "side flat", "side3"),
        node("Mul", "side3 aside", "y"),
        node("Add", "v zeros", "speeds"),
        node("Mul", "x none", "yaw"),
        node("Concat", "x y yaw speeds", "trajectory", axis=2),
    ]
    pictures = ["front", "narrow", *(["narrow_past1"] if past else [])]
    inputs = [helper.make_tensor_value_info(name, TensorProto.UINT8, ["B", *shape]) for name in pictures]
    inputs.append(helper.make_tensor_value_info("ego_hist", TensorProto.FLOAT, ["B", 8, 3]))
    inputs.append(helper.make_tensor_value_info("command", TensorProto.INT64, ["B"]))
    output = helper.make_tensor_value_info("trajectory", TensorProto.FLOAT, ["B", POINTS, 4])
    graph = helper.make_graph(nodes, "toy", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString(deterministic=True)
    description = {
        "contract": VERSION,
        "name": "toy",
        "preprocessing": {"mode": "fast"},
        "views": [
            {"camera": camera, "input": name, "width": width, "height": height, "hfov_deg": angle, "required": False} for camera, name, angle in VIEWS
        ],
        "history": {"steps": 2, "step_s": 0.5, "inputs": ["narrow"]} if past else {"steps": 1},
        "ego_history": {"columns": ["speed", "yaw_rate", "accel_x"], "steps": 8, "step_s": 0.1},
        "manoeuvres": list(MANOEUVRES),
        "graphs": {"navigator": {"file": "navigator.onnx", "sha256": hashlib.sha256(model).hexdigest()}},
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "navigator.onnx").write_bytes(model)
    (out / FILE).write_text(yaml.safe_dump(description, sort_keys=False), encoding="utf-8")
    return out
