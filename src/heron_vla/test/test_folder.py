"""A wrong policy folder is refused in one clear sentence."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml

from heron_core.errors import HeronError, RigMismatchError
from heron_core.rig import load_rig
from heron_vla.folder import load_policy
from heron_vla.kinematic import write_kinematic

DEMO = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_kinematic(tmp_path / "policy", ["CAM_FRONT", "CAM_BACK"])


def change(folder: Path, edit: Change) -> None:
    content = yaml.safe_load((folder / "policy.yaml").read_text())
    edit(content)
    (folder / "policy.yaml").write_text(yaml.safe_dump(content))


def change_graph(folder: Path, edit: Callable[[Any], object]) -> None:
    model = onnx.load(str(folder / "driver.onnx"))
    edit(model.graph)
    raw = model.SerializeToString()
    (folder / "driver.onnx").write_bytes(raw)
    change(folder, lambda content: content["graphs"]["driver"].update(sha256=hashlib.sha256(raw).hexdigest()))


def refusal(folder: Path) -> str:
    with pytest.raises(HeronError) as refused:
        load_policy(folder)
    text = str(refused.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda c: c.update(contract=1), "contract version 1, this Heron speaks version 2"),
        (lambda c: c.pop("contract"), "contract version None"),
        (lambda c: c.update(manoevres=[]), "unknown key 'manoevres'; did you mean 'manoeuvres'"),
        (lambda c: c.update(manoeuvres=["left", "left"]), "manoeuvres = ['left', 'left']"),
        (lambda c: c.update(horizon={"points": 30, "step_s": 0.1}), "30 points of 0.1 s, Heron follows 40 points"),
        (lambda c: c.update(history={"steps": 2}), "2 steps with inputs []"),
        (lambda c: c["ego_history"].update(columns=["velocity"]), "columns = ['velocity'], allowed: speed"),
        (lambda c: c["ego_history"].update(steps=4), "input 'ego_hist' is float32[B, 8, 3], policy.yaml declares float32[B, 4, 3]"),
        (lambda c: c.update(graphs={}), "has exactly one: driver or navigator"),
        (lambda c: c["graphs"]["driver"].update(file="other.onnx"), "other.onnx is missing"),
        (lambda c: c["graphs"]["driver"].update(file="../driver.onnx"), "expected the bare name"),
        (lambda c: c["graphs"]["driver"].update(sha256="0" * 64), "says 000000000000…: altered"),
        (lambda c: c.update(tokenizer="words.json"), "unknown key 'tokenizer'"),
        (lambda c: c.update(precision="bf17"), "'bf17' is not one of fp32"),
        (lambda c: c.update(views=[]), "expected a list with at least one view"),
        (lambda c: c["views"][0].update(width=224), "views[1]: 448x448, but input 'images' began with 224x448"),
        (lambda c: c["views"].append(dict(c["views"][0])), "'images' is uint8[B, 2, 3, 448, 448], policy.yaml declares uint8[B, 3, 3, 448, 448]"),
        (lambda c: [view.update(input="pictures") for view in c["views"]], "the graph lacks input 'pictures'"),
    ],
)
def test_a_wrong_description_is_refused(folder: Path, edit: Change, expected: str) -> None:
    change(folder, edit)
    assert expected in refusal(folder)


def test_missing_parts_are_named(folder: Path, tmp_path: Path) -> None:
    assert "no such policy folder" in refusal(tmp_path / "nowhere")
    assert "no policy.yaml" in refusal(tmp_path)
    (folder / "driver.onnx").unlink()
    assert "driver.onnx is missing" in refusal(folder)


def test_one_changed_byte_of_the_graph_is_found(folder: Path) -> None:
    raw = bytearray((folder / "driver.onnx").read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / "driver.onnx").write_bytes(raw)
    assert "altered or copied incompletely" in refusal(folder)


def test_a_file_that_is_no_graph(folder: Path) -> None:
    (folder / "driver.onnx").write_bytes(b"hello")
    change(folder, lambda content: content["graphs"]["driver"].update(sha256=hashlib.sha256(b"hello").hexdigest()))
    assert "not an ONNX file" in refusal(folder) or "lacks input" in refusal(folder)


def _rename_output(graph: Any) -> None:
    graph.output[0].name = "plan"
    graph.node[-1].output[0] = "plan"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (_rename_output, "the graph lacks output 'trajectory'"),
        (lambda g: setattr(g.output[0].type.tensor_type.shape.dim[1], "dim_value", 30), "output 'trajectory' is float32[B, 30, 4]"),
        (lambda g: setattr(g.input[0].type.tensor_type, "elem_type", onnx.TensorProto.FLOAT), "input 'images' is float32"),
        (lambda g: g.input[0].type.tensor_type.shape.dim.pop(), "input 'images' is uint8[B, 2, 3, 448]"),
        (lambda g: g.input.append(onnx.helper.make_tensor_value_info("text", 7, ["B"])), "the graph wants input 'text'"),
    ],
)
def test_a_graph_that_is_not_as_declared_is_refused(folder: Path, edit: Callable[[Any], object], expected: str) -> None:
    change_graph(folder, edit)
    assert expected in refusal(folder)


def test_the_rig_must_fit(folder: Path) -> None:
    rig = load_rig(DEMO / "rig.yaml")
    load_policy(folder, rig)
    change(folder, lambda content: content["views"][0].update(required=True))
    load_policy(folder, rig)
    without = dataclasses.replace(rig, cameras={name: camera for name, camera in rig.cameras.items() if name != "CAM_FRONT"})
    with pytest.raises(RigMismatchError, match="requires CAM_FRONT"):
        load_policy(folder, without)
    far = {"position_m": [9.0, 0.0, 1.5], "tolerance": {"translation_m": 0.3}}
    change(folder, lambda content: content["views"][0].update(far))
    with pytest.raises(RigMismatchError, match=r"CAM_FRONT stands .* at most 0\.3 m"):
        load_policy(folder, rig)


def test_the_digest_follows_every_file(folder: Path) -> None:
    before = load_policy(folder).digest
    change(folder, lambda content: content["provenance"].update(data="more"))
    assert load_policy(folder).digest != before
