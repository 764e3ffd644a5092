"""What `policy.yaml` may say: version 1 of the contract between a policy and the car."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from heron_core.trajectory import POINTS, STEP_S
from heron_core.vehicle import SIGNALS

VERSION = 1
FILE = "policy.yaml"
EGO_INPUT, COMMAND_INPUT, TRAJECTORY_OUTPUT = "ego_hist", "command", "trajectory"


@dataclass(frozen=True)
class History:
    """Frame sets that the images of one plan come from.

    Attributes:
        steps: frame sets. The graph's views are cameras x steps, camera by camera, oldest step first. Version 1 feeds one.
    """

    steps: int = 1

    def __post_init__(self) -> None:
        if self.steps != 1:
            raise ValueError(f"steps = {self.steps}, contract version {VERSION} feeds 1 frame set per plan")


@dataclass(frozen=True)
class EgoHistorySpec:
    """The input `ego_hist`.

    Attributes:
        columns: vehicle signals, in order, in the units of `heron_core.vehicle.SIGNALS`.
        steps: rows, oldest first; the last is at the frame set's stamp.
        step_s: between two rows.
    """

    columns: tuple[str, ...] = ("speed", "yaw_rate", "accel_x")
    steps: int = 8
    step_s: float = 0.1

    def __post_init__(self) -> None:
        unknown = [name for name in self.columns if name not in SIGNALS]
        if unknown or not self.columns:
            raise ValueError(f"columns = {list(self.columns)}, allowed: {', '.join(SIGNALS)}")
        if not 1 <= self.steps <= 64:
            raise ValueError(f"steps = {self.steps}, allowed 1 .. 64")
        if not 0.01 <= self.step_s <= 1.0:
            raise ValueError(f"step_s = {self.step_s}, allowed 0.01 .. 1.0")


@dataclass(frozen=True)
class Horizon:
    """The trajectory's points; every consumer counts on these."""

    points: int = POINTS
    step_s: float = STEP_S

    def __post_init__(self) -> None:
        if (self.points, self.step_s) != (POINTS, STEP_S):
            raise ValueError(f"{self.points} points of {self.step_s} s, Heron follows {POINTS} points of {STEP_S} s")


@dataclass(frozen=True)
class GraphFile:
    """An ONNX file of the folder and its SHA-256 in hex."""

    file: str
    sha256: str

    def __post_init__(self) -> None:
        if "/" in self.file or not self.file.endswith(".onnx"):
            raise ValueError(f"file = {self.file!r}, expected the bare name of an .onnx file in the folder")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 = {self.sha256!r}, expected 64 hex digits")


@dataclass(frozen=True)
class PolicySpec:
    """The whole of `policy.yaml`.

    Attributes:
        contract: version of this contract.
        name: for people.
        views, preprocessing: how images are made; read by `heron_camera.views`.
        manoeuvres: what an instruction may ask for; its index is the input `command`.
        tokenizer: file of the folder, or null for a policy that reads no text.
        graphs: `driver` or `navigator`: the one graph that makes the trajectory.
        provenance: data, code and metrics; free form.
    """

    contract: int
    name: str
    views: Any
    manoeuvres: tuple[str, ...]
    graphs: Mapping[str, GraphFile]
    preprocessing: Any = None
    history: History = field(default_factory=History)
    ego_history: EgoHistorySpec = field(default_factory=EgoHistorySpec)
    horizon: Horizon = field(default_factory=Horizon)
    tokenizer: str | None = None
    precision: Literal["fp32", "fp16", "int8", "fp8", "nvfp4"] = "fp32"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.manoeuvres or len(set(self.manoeuvres)) != len(self.manoeuvres):
            raise ValueError(f"manoeuvres = {list(self.manoeuvres)}, expected different names, at least one")
        if set(self.graphs) not in ({"driver"}, {"navigator"}):
            raise ValueError(f"graphs = {sorted(self.graphs)}, contract version {VERSION} expects exactly one: driver or navigator")
        if self.tokenizer is not None:
            raise ValueError(f"tokenizer = {self.tokenizer!r}, contract version {VERSION} reads no text: null")

    @property
    def graph(self) -> GraphFile:
        """The graph that makes the trajectory."""
        return next(iter(self.graphs.values()))
