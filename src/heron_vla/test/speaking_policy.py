"""A policy without weights that sees movement, reads and speaks: every input shows in its outputs, so that tests can tell whether it arrived."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from heron_core.trajectory import POINTS, TIMES_S
from heron_vla.contract import FILE, VERSION

HEIGHT, WIDTH = 16, 32
INTENTS, REASONS = ("none", "right", "declined", "unknown"), ("cruise", "wait_red")
SAID = {
    ("en", "cruise"): "following the road",
    ("ja", "cruise"): "道なりに 走行しています",
    ("en", "wait_red"): "waiting at the red light",
    ("ja", "wait_red"): "赤信号で 停止しています",
}
SPECIALS = ("<pad>", "<end>", "<en>", "<ja>", "<unk>")
MEANS = {"turn": "none", "right": "right", "右折して": "right", "speed": "declined", "banana": "unknown"}
VOCABULARY = (*SPECIALS, *dict.fromkeys(word for text in (*SAID.values(), *MEANS) for word in text.split()))
ID = {token: index for index, token in enumerate(VOCABULARY)}
SHIFT_MPS = 0.5
"""To the right, of a text that asks for it."""


def node(op: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), [output], **attributes)


def const(name: str, value: Any, dtype: type[np.generic]) -> Any:
    return numpy_helper.from_array(np.array(value, dtype=dtype), name)


def as_float(name: str) -> Any:
    return node("Cast", name, f"{name}_f", to=TensorProto.FLOAT)


def mean(pixels: str, output: str) -> list[Any]:
    """[B, views, 3, height, width] → [B, 1]."""
    return [node("ReduceMean", pixels, f"{output}_flat", axes=[1, 2, 3, 4], keepdims=0), node("Unsqueeze", f"{output}_flat axis1", output)]


def counted(mask: str, output: str) -> list[Any]:
    """[B, S] of truth values → [B]: how many are true."""
    return [node("Cast", mask, f"{mask}_i", to=TensorProto.INT64), node("ReduceSum", f"{mask}_i axis1", output, keepdims=0)]


def along_cache(mask: str, output: str) -> list[Any]:
    """[B, S] of truth values → [B, 1, 1, 1, S, 1] of numbers: beside a cache [B, 1, 2, 1, S, 2]."""
    return [as_float(mask), node("Unsqueeze", f"{mask}_f all_but_1_4", output)]


def info(name: str, kind: int, *shape: int | str) -> Any:
    return helper.make_tensor_value_info(name, kind, ["B", *shape])


SHARED = (
    *(const(f"axis{i}", [i], np.int64) for i in range(3)),
    const("all_but_0", [1, 2, 3, 4, 5], np.int64),  # [B] → [B, 1, 1, 1, 1, 1]
    const("all_but_0_5", [1, 2, 3, 4], np.int64),  # [B, 2] → [B, 1, 1, 1, 1, 2]
    const("all_but_1_4", [1, 2, 3, 5], np.int64),  # [B, S] → [B, 1, 1, 1, S, 1]
)
"""Constants of both graphs."""


def write_graph(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any]) -> None:
    wanted = {name for each in nodes for name in each.input}
    shared = [each for each in SHARED if each.name in wanted]
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, [*shared, *constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def navigator(path: Path) -> None:
    shift, intents = np.zeros(len(VOCABULARY)), np.zeros((len(VOCABULARY), len(INTENTS)))
    for word, intent in MEANS.items():
        intents[ID[word], INTENTS.index(intent)] = 9.0 if intent != "none" else 0.0
        shift[ID[word]] = -SHIFT_MPS if intent == "right" else 0.0
    constants = [
        const("times", [TIMES_S], np.float32),
        const("zeros", np.zeros((1, POINTS)), np.float32),
        const("last", -1, np.int64),
        const("first", [0], np.int64),
        const("shift", shift, np.float32),
        const("intents", intents, np.float32),
        const("no_intent", [[3.0, 0.0, 0.0, 0.0]], np.float32),
        const("dark", -100.0, np.float32),
        const("sides", [[-1.0, 1.0]], np.float32),
        const("wide", [1, 1, 2, 1, 1, 1], np.int64),
        const("one", [1], np.int64),
        const("yes", [True], np.bool_),
        const("zero", 0.0, np.float32),
    ]
    nodes = [
        node("Gather", "ego_hist last", "now", axis=1),
        node("Gather", "now first", "speed", axis=1),
        *(as_float(name) for name in ("front", "narrow", "narrow_past1", "text_mask", "command")),
        node("Sub", "narrow_f narrow_past1_f", "change"),
        *mean("change", "moved"),
        node("Gather", "shift text_ids", "shifts"),
        node("Mul", "shifts text_mask_f", "shifts_kept"),
        node("ReduceSum", "shifts_kept axis1", "asked"),
        node("Unsqueeze", "command_f axis1", "commanded"),
        node("Add", "moved asked", "lateral1"),
        node("Add", "lateral1 commanded", "lateral"),
        node("Mul", "speed times", "x"),
        node("Mul", "lateral times", "y"),
        node("Mul", "speed zeros", "yaw"),
        node("Add", "speed zeros", "speeds"),
        *(node("Unsqueeze", f"{name} axis2", f"{name}_c") for name in ("x", "y", "yaw", "speeds")),
        node("Concat", "x_c y_c yaw_c speeds_c", "trajectory", axis=2),
        node("Gather", "intents text_ids", "meant"),
        node("Unsqueeze", "text_mask_f axis2", "kept_c"),
        node("Mul", "meant kept_c", "meant_kept"),
        node("ReduceSum", "meant_kept axis1", "meaning", keepdims=0),
        node("Add", "meaning no_intent", "intent_logits"),
        node("Softmax", "intent_logits", "intent", axis=1),
        *mean("front_f", "bright"),
        node("Add", "bright dark", "brightness"),
        node("Mul", "brightness sides", "reason_logits"),
        node("Softmax", "reason_logits", "reason", axis=1),
        node("Concat", "intent reason", "thoughts", axis=1),
        node("Shape", "text_mask", "shape"),
        node("Gather", "shape first", "batch", axis=0),
        node("Concat", "batch one", "batch_1", axis=0),
        node("Expand", "yes batch_1", "end_kept"),
        node("Concat", "text_mask end_kept", "keep", axis=1),
        *along_cache("keep", "keep_6"),
        node("Unsqueeze", "reason all_but_0_5", "reason_6"),
        node("Mul", "keep_6 zero", "nothing_6"),
        node("Add", "nothing_6 reason_6", "state"),
        node("Expand", "state wide", "cache"),
        *counted("keep", "next_position"),
    ]
    pixels = [info(name, TensorProto.UINT8, 1, 3, HEIGHT, WIDTH) for name in ("front", "narrow", "narrow_past1")]
    vehicle = [info("ego_hist", TensorProto.FLOAT, 8, 3), info("command", TensorProto.INT64)]
    text = [info("text_ids", TensorProto.INT64, "L"), info("text_mask", TensorProto.BOOL, "L")]
    outputs = [
        info("trajectory", TensorProto.FLOAT, POINTS, 4),
        info("thoughts", TensorProto.FLOAT, len(INTENTS) + len(REASONS)),
        info("cache", TensorProto.FLOAT, 1, 2, 1, "S", 2),
        info("keep", TensorProto.BOOL, "S"),
        info("next_position", TensorProto.INT64),
    ]
    write_graph(path, nodes, [*pixels, *vehicle, *text], outputs, constants)


def decode(path: Path) -> None:
    """The next token by the last one and the reason in the cache; <unk> when position or keep are not what they should be."""
    chains = np.zeros((len(VOCABULARY), len(REASONS), len(VOCABULARY)))
    for (language, reason), text in SAID.items():
        words = [f"<{language}>", *text.split(), "<end>"]
        for first, second in pairwise(words):
            chains[ID[first], REASONS.index(reason), ID[second]] = 5.0
    alarm = np.zeros((1, len(VOCABULARY)))
    alarm[0, ID["<unk>"]] = 100.0
    constants = [
        const("chains", chains, np.float32),
        const("alarm", alarm, np.float32),
        const("starts", [0, 0, 0, 0], np.int64),
        const("ends", [1, 1, 1, 1], np.int64),
        const("inner", [1, 2, 3, 4], np.int64),
        const("shape_new", [1, 1, 2, 1, 1, 2], np.int64),
        const("one", 1.0, np.float32),
    ]
    nodes = [
        node("Gather", "chains token", "next4"),
        node("Squeeze", "next4 axis1", "next"),
        node("Slice", "cache starts ends inner", "first_row"),
        node("Squeeze", "first_row inner", "reason"),
        node("Unsqueeze", "reason axis2", "reason_c"),
        node("Mul", "next reason_c", "weighted"),
        node("ReduceSum", "weighted axis1", "likely", keepdims=0),
        *counted("keep", "known"),
        node("Sub", "known position", "ahead"),
        as_float("ahead"),
        node("Sub", "ahead_f one", "off"),
        node("Abs", "off", "wrong"),
        node("Unsqueeze", "wrong axis1", "wrong_c"),
        node("Mul", "wrong_c alarm", "alarms"),
        node("Add", "likely alarms", "logits"),
        as_float("position"),
        node("Unsqueeze", "position_f all_but_0", "position_6"),
        node("Expand", "position_6 shape_new", "row"),
        node("Concat", "cache row", "longer", axis=4),
        *along_cache("keep", "keep_6"),
        node("Add", "keep_6 one", "two"),
        node("Div", "two two", "same"),  # fails to broadcast when keep is not as long as the longer cache
        node("Mul", "longer same", "cache_out"),
    ]
    inputs = [info("token", TensorProto.INT64, 1), info("position", TensorProto.INT64), info("keep", TensorProto.BOOL, "S+1")]
    inputs.append(info("cache", TensorProto.FLOAT, 1, 2, 1, "S", 2))
    outputs = [info("logits", TensorProto.FLOAT, len(VOCABULARY)), info("cache_out", TensorProto.FLOAT, 1, 2, 1, "S+1", 2)]
    write_graph(path, nodes, inputs, outputs, constants)


def write_tokenizer(path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel(ID, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.save(str(path))


def write_speaking(out: Path, max_speech_tokens: int = 12) -> Path:
    out.mkdir(parents=True)
    navigator(out / "navigator.onnx")
    decode(out / "decode.onnx")
    write_tokenizer(out / "tokenizer.json")

    def file(name: str) -> dict[str, str]:
        return {"file": name, "sha256": hashlib.sha256((out / name).read_bytes()).hexdigest()}

    view = {"width": WIDTH, "height": HEIGHT, "hfov_deg": 90.0, "required": False}
    description = {
        "contract": VERSION,
        "name": "speaking",
        "views": [{"camera": "CAM_FRONT", "input": "front", **view}, {"camera": "CAM_FRONT_NARROW", "input": "narrow", **view}],
        "history": {"steps": 2, "step_s": 0.5, "inputs": ["narrow"]},
        "manoeuvres": ["follow", "left"],
        "text": {
            "tokenizer": file("tokenizer.json"),
            "max_tokens": 6,
            "max_speech_tokens": max_speech_tokens,
            "slots": [{"name": "intent", "words": list(INTENTS)}, {"name": "reason", "words": list(REASONS)}],
            "languages": {"en": "<en>", "ja": "<ja>"},
            "end": "<end>",
            "pad": "<pad>",
        },
        "graphs": {"navigator": file("navigator.onnx"), "decode": file("decode.onnx")},
    }
    (out / FILE).write_text(yaml.safe_dump(description, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return out
