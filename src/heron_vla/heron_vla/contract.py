"""What `policy.yaml` may say: version 2 of the contract between a policy and the car."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from heron_core.trajectory import POINTS, STEP_S
from heron_core.vehicle import SIGNALS

VERSION = 2
FILE = "policy.yaml"
EGO_INPUT, COMMAND_INPUT, TRAJECTORY_OUTPUT = "ego_hist", "command", "trajectory"
TEXT_INPUT, TEXT_MASK_INPUT = "text_ids", "text_mask"
THOUGHTS_OUTPUT, CACHE, KEEP, NEXT_POSITION = "thoughts", "cache", "keep", "next_position"
TOKEN_INPUT, POSITION_INPUT, LOGITS_OUTPUT, CACHE_OUTPUT = "token", "position", "logits", "cache_out"
DRIVER, NAVIGATOR, DECODE = "driver", "navigator", "decode"
INTENT, REASON = "intent", "reason"
"""Slots that the car itself reads: what a sentence asks for, and why it drives as it does."""


Precision = Literal["fp32", "bf16", "fp16", "int8", "fp8", "nvfp4"]


def past_input(name: str, steps: int) -> str:
    """Graph input of the views `name` as they were `steps` steps of the history ago."""
    return f"{name}_past{steps}"


@dataclass(frozen=True)
class History:
    """Frame sets that the images of one plan come from.

    Attributes:
        steps: frame sets, the newest among them.
        step_s: between two of them.
        inputs: graph inputs whose older images are wanted too, as further inputs: see `past_input`.
    """

    steps: int = 1
    step_s: float = 0.5
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 8:
            raise ValueError(f"steps = {self.steps}, allowed 1 .. 8")
        if not 0.1 <= self.step_s <= 2.0:
            raise ValueError(f"step_s = {self.step_s}, allowed 0.1 .. 2.0")
        if (self.steps > 1) != bool(self.inputs):
            raise ValueError(f"{self.steps} steps with inputs {list(self.inputs)}: more than one step and at least one input belong together")
        if len(set(self.inputs)) != len(self.inputs):
            raise ValueError(f"inputs = {list(self.inputs)}, expected different names")


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


def _check_file(file: str, sha256: str, ending: str) -> None:
    if "/" in file or not file.endswith(ending):
        raise ValueError(f"file = {file!r}, expected the bare name of an {ending} file in the folder")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError(f"sha256 = {sha256!r}, expected 64 hex digits")


@dataclass(frozen=True)
class GraphFile:
    """An ONNX file of the folder and its SHA-256 in hex."""

    file: str
    sha256: str

    def __post_init__(self) -> None:
        _check_file(self.file, self.sha256, ".onnx")


@dataclass(frozen=True)
class TokenizerFile:
    """A file of the library `tokenizers` in the folder and its SHA-256 in hex."""

    file: str
    sha256: str

    def __post_init__(self) -> None:
        _check_file(self.file, self.sha256, ".json")


@dataclass(frozen=True)
class SlotSpec:
    """One thing that is thought before planning: exactly one of its words."""

    name: str
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.words or len(set(self.words)) != len(self.words):
            raise ValueError(f"words of {self.name} = {list(self.words)}, expected different words, at least one")


@dataclass(frozen=True)
class TextSpec:
    """What a policy that reads and speaks needs.

    Attributes:
        tokenizer: turns text into numbers and back.
        max_tokens: of an instruction; a longer one is not read.
        max_speech_tokens: of an explanation in one language, its first and last token included.
        slots: what is thought, in the order of the output `thoughts`; `intent` and `reason` among them.
        languages: `en` and `ja` → the token that an explanation in this language begins with.
        end: the token that an explanation ends with.
        pad: the token where there is no text.
    """

    tokenizer: TokenizerFile
    slots: tuple[SlotSpec, ...]
    languages: Mapping[str, str]
    end: str
    pad: str
    max_tokens: int = 24
    max_speech_tokens: int = 32

    def __post_init__(self) -> None:
        names = [slot.name for slot in self.slots]
        if len(set(names)) != len(names) or not {INTENT, REASON} <= set(names):
            raise ValueError(f"slots = {names}, expected different names, {INTENT} and {REASON} among them")
        if set(self.languages) != {"en", "ja"}:
            raise ValueError(f"languages = {sorted(self.languages)}, expected en and ja")
        for name in ("max_tokens", "max_speech_tokens"):
            if not 2 <= getattr(self, name) <= 256:
                raise ValueError(f"{name} = {getattr(self, name)}, allowed 2 .. 256")


@dataclass(frozen=True)
class PolicySpec:
    """The whole of `policy.yaml`.

    Attributes:
        contract: version of this contract.
        name: for people.
        views, preprocessing: how images are made; read by `heron_camera.views`.
        manoeuvres: what an instruction may ask for; its index is the input `command`.
        text: None for a policy that reads no text.
        precision: that the policy was judged in. With bf16 a graph of fp32 is run in bf16 where the CPU can, which nobody may do unasked.
        graphs: `driver` or `navigator` makes the trajectory; `decode` beside a navigator with text makes the words of its explanations.
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
    text: TextSpec | None = None
    precision: Precision = "fp32"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.manoeuvres or len(set(self.manoeuvres)) != len(self.manoeuvres):
            raise ValueError(f"manoeuvres = {list(self.manoeuvres)}, expected different names, at least one")
        if self.text is None and set(self.graphs) not in ({DRIVER}, {NAVIGATOR}):
            raise ValueError(f"graphs = {sorted(self.graphs)}, a policy without text has exactly one: {DRIVER} or {NAVIGATOR}")
        if self.text is not None and set(self.graphs) != {NAVIGATOR, DECODE}:
            raise ValueError(f"graphs = {sorted(self.graphs)}, a policy with text has two: {NAVIGATOR} and {DECODE}")

    @property
    def graph(self) -> GraphFile:
        """The graph that makes the trajectory."""
        return self.graphs.get(NAVIGATOR) or self.graphs[DRIVER]
