"""A policy folder: opened, checked against its own promises and against the rig; a wrong one is refused in one sentence."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from heron_camera.views import Preprocessing, VirtualCamera, check_views, load_preprocessing, load_views
from heron_core.errors import RigMismatchError
from heron_core.rig import Rig
from heron_core.settings import from_mapping, load_yaml
from heron_vla.contract import CACHE, DECODE, FILE, NAVIGATOR, VERSION, GraphFile, PolicySpec, TokenizerFile, past_input
from heron_vla.language import Language
from heron_vla.signature import PolicyError as PolicyError
from heron_vla.signature import Shape, check_graph, signatures


@dataclass(frozen=True)
class PolicyFolder:
    """A policy that keeps its promises.

    Attributes:
        path: the folder.
        spec: its policy.yaml.
        views: virtual cameras, in the policy's order.
        preprocessing: how the images are made.
        digest: SHA-256 over policy.yaml, the graphs and the tokenizer.
        language: its words; None for a policy that reads no text.
    """

    path: Path
    spec: PolicySpec
    views: tuple[VirtualCamera, ...]
    preprocessing: Preprocessing
    digest: str
    language: Language | None = None

    @property
    def graph_path(self) -> Path:
        """The ONNX file that makes the trajectory."""
        return self.path / self.spec.graph.file

    @property
    def decode_path(self) -> Path:
        """The ONNX file that makes words; only of a policy with text."""
        return self.path / self.spec.graphs[DECODE].file

    @property
    def image_shapes(self) -> dict[str, Shape]:
        """Graph input of the newest images → (views, 3, height, width), without the batch."""
        return _image_shapes(self.views)

    @property
    def past_inputs(self) -> dict[str, tuple[str, int]]:
        """Graph input of older images → (graph input of the newest, steps of the history ago)."""
        history = self.spec.history
        return {past_input(name, steps): (name, steps) for name in history.inputs for steps in range(1, history.steps)}

    def command(self, manoeuvre: str) -> int:
        """Index of a manoeuvre.

        Raises:
            PolicyError: the policy has no such manoeuvre.
        """
        if manoeuvre not in self.spec.manoeuvres:
            raise PolicyError(f"policy {self.spec.name} knows no manoeuvre {manoeuvre[:40]!r}, only {', '.join(self.spec.manoeuvres)}")
        return self.spec.manoeuvres.index(manoeuvre)

    def unlike(self, other: PolicyFolder) -> list[str]:
        """In what another policy differs so that it cannot plan on what is asked of this one; text apart. Empty: it can."""
        parts = {
            "views": (self.views, other.views),
            "preprocessing": (self.preprocessing, other.preprocessing),
            "history": (self.spec.history, other.spec.history),
            "ego_history": (self.spec.ego_history, other.spec.ego_history),
            "manoeuvres": (self.spec.manoeuvres, other.spec.manoeuvres),
            "horizon": (self.spec.horizon, other.spec.horizon),
        }
        return [name for name, (own, its) in parts.items() if own != its]

    def check_rig(self, rig: Rig) -> None:
        """Whether the rig can feed the policy.

        Raises:
            RigMismatchError: a required camera is missing or stands too far from where the policy was trained.
        """
        try:
            check_views(self.views, rig)
        except RigMismatchError as error:
            raise RigMismatchError(f"{self.path}: {error}") from error


def load_policy(path: Path, rig: Rig | None = None) -> PolicyFolder:
    """Opens and checks a policy folder.

    Raises:
        PolicyError: no such folder, another contract version, a file that is missing or altered, a graph or a tokenizer that is not as declared.
        ConfigError: a wrong key or value in policy.yaml.
        RigMismatchError: the policy does not fit the rig.
    """
    file = path / FILE
    if not path.is_dir():
        raise PolicyError(f"{path}: no such policy folder")
    if not file.is_file():
        raise PolicyError(f"{path}: no {FILE} in this folder, so it is no policy")
    content = load_yaml(file)
    version = content.get("contract")
    if version != VERSION:
        raise PolicyError(f"{file}: contract version {version}, this Heron speaks version {VERSION}; export the policy again")
    spec = from_mapping(PolicySpec, content, str(file))
    views, preprocessing = load_views(file), Preprocessing() if spec.preprocessing is None else load_preprocessing(file)
    parts: list[GraphFile | TokenizerFile] = [spec.graphs[name] for name in sorted(spec.graphs)]
    parts += [spec.text.tokenizer] if spec.text else []
    digest = hashlib.sha256(file.read_bytes())
    for part in parts:
        digest.update(_checked(path, part).encode())
    _check_graphs(path, spec, _image_shapes(views))
    language = Language(path / spec.text.tokenizer.file, spec.text) if spec.text else None
    folder = PolicyFolder(path, spec, views, preprocessing, digest.hexdigest(), language)
    if rig is not None:
        folder.check_rig(rig)
    return folder


def _image_shapes(views: tuple[VirtualCamera, ...]) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for view in views:
        count = shapes[view.input][0] if view.input in shapes else 0
        shapes[view.input] = (count + 1, 3, view.height, view.width)
    return shapes


def _checked(folder: Path, part: GraphFile | TokenizerFile) -> str:
    """The SHA-256 of a file of the folder, which must be the declared one."""
    path = folder / part.file
    if not path.is_file():
        raise PolicyError(f"{folder}: {part.file} is missing, though {FILE} names it")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 != part.sha256:
        raise PolicyError(f"{path}: its sha256 is {sha256[:12]}…, {FILE} says {part.sha256[:12]}…: altered or copied incompletely")
    return sha256


def _check_graphs(folder: Path, spec: PolicySpec, images: dict[str, Shape]) -> None:
    unknown = [name for name in spec.history.inputs if name not in images]
    if unknown:
        raise PolicyError(f"{folder / FILE}: history.inputs names {unknown[0]!r}, the views have {', '.join(images)}")
    found = {name: check_graph(folder / spec.graphs[name].file, signature) for name, signature in signatures(spec, images).items()}
    if DECODE in found:
        made, taken = found[NAVIGATOR][CACHE], found[DECODE][CACHE]
        fixed = [(a, b) for a, b in zip(made, taken, strict=True) if isinstance(a, int) and isinstance(b, int)]
        if any(a != b for a, b in fixed):
            raise PolicyError(f"{folder}: {NAVIGATOR} makes a cache {list(made)}, {DECODE} takes {list(taken)}: they are of different models")
