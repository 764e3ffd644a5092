"""A policy folder: opened, checked against its own promises and against the rig; a wrong one is refused in one sentence."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heron_camera.views import Preprocessing, VirtualCamera, check_views, load_preprocessing, load_views
from heron_core.errors import InputError, RigMismatchError
from heron_core.rig import Rig
from heron_core.settings import from_mapping, load_yaml
from heron_vla.contract import COMMAND_INPUT, EGO_INPUT, FILE, TRAJECTORY_OUTPUT, VERSION, PolicySpec

Shape = tuple[int, ...]


class PolicyError(InputError):
    """A policy folder cannot be used, or a policy's output must not be."""


@dataclass(frozen=True)
class PolicyFolder:
    """A policy that keeps its promises.

    Attributes:
        path: the folder.
        spec: its policy.yaml.
        views: virtual cameras, in the policy's order.
        preprocessing: how the images are made.
        digest: SHA-256 over policy.yaml and the graph.
    """

    path: Path
    spec: PolicySpec
    views: tuple[VirtualCamera, ...]
    preprocessing: Preprocessing
    digest: str

    @property
    def graph_path(self) -> Path:
        """The ONNX file."""
        return self.path / self.spec.graph.file

    @property
    def image_shapes(self) -> dict[str, Shape]:
        """Graph input → (views, 3, height, width), without the batch."""
        shapes: dict[str, Shape] = {}
        for view in self.views:
            count = shapes[view.input][0] if view.input in shapes else 0
            shapes[view.input] = (count + 1, 3, view.height, view.width)
        return shapes

    def signature(self) -> tuple[dict[str, tuple[str, Shape]], dict[str, tuple[str, Shape]]]:
        """Inputs and outputs of the graph: name → (element type, shape without the batch)."""
        ego, horizon = self.spec.ego_history, self.spec.horizon
        inputs: dict[str, tuple[str, Shape]] = {name: ("uint8", shape) for name, shape in self.image_shapes.items()}
        inputs[EGO_INPUT] = ("float32", (ego.steps, len(ego.columns)))
        inputs[COMMAND_INPUT] = ("int64", ())
        return inputs, {TRAJECTORY_OUTPUT: ("float32", (horizon.points, 4))}

    def command(self, manoeuvre: str) -> int:
        """Index of a manoeuvre.

        Raises:
            PolicyError: the policy has no such manoeuvre.
        """
        if manoeuvre not in self.spec.manoeuvres:
            raise PolicyError(f"policy {self.spec.name} knows no manoeuvre {manoeuvre!r}, only {', '.join(self.spec.manoeuvres)}")
        return self.spec.manoeuvres.index(manoeuvre)

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
        PolicyError: no such folder, another contract version, a file that is missing or altered, a graph that is not as declared.
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
    graph = path / spec.graph.file
    if not graph.is_file():
        raise PolicyError(f"{path}: {spec.graph.file} is missing, though {FILE} names it")
    sha256 = hashlib.sha256(graph.read_bytes()).hexdigest()
    if sha256 != spec.graph.sha256:
        raise PolicyError(f"{graph}: its sha256 is {sha256[:12]}…, {FILE} says {spec.graph.sha256[:12]}…: altered or copied incompletely")
    digest = hashlib.sha256(file.read_bytes() + sha256.encode()).hexdigest()
    folder = PolicyFolder(path, spec, load_views(file), _preprocessing(file, spec), digest)
    check_graph(folder)
    if rig is not None:
        folder.check_rig(rig)
    return folder


def _preprocessing(file: Path, spec: PolicySpec) -> Preprocessing:
    return Preprocessing() if spec.preprocessing is None else load_preprocessing(file)


def check_graph(folder: PolicyFolder) -> None:
    """Whether the ONNX graph has exactly the declared inputs and the declared output.

    Raises:
        PolicyError: it has not; the text names the tensor, what it is and what it should be.
    """
    import onnx  # heavy

    try:
        model = onnx.load(str(folder.graph_path), load_external_data=False)
    except Exception as error:  # whatever protobuf meets in a broken file
        raise PolicyError(f"{folder.graph_path}: not an ONNX file: {error}") from error
    outside = [tensor.name for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if outside:
        raise PolicyError(f"{folder.graph_path}: keeps weights such as {outside[0]} in another file, which no sha256 covers; export it as one file")
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs, outputs = folder.signature()
    found = [tensor for tensor in model.graph.input if tensor.name not in weights]
    _compare(folder, "input", inputs, {tensor.name: tensor for tensor in found}, exact=True)
    _compare(folder, "output", outputs, {tensor.name: tensor for tensor in model.graph.output}, exact=False)


def _compare(folder: PolicyFolder, kind: str, declared: dict[str, tuple[str, Shape]], found: dict[str, Any], exact: bool) -> None:
    missing, extra = sorted(set(declared) - set(found)), sorted(set(found) - set(declared))
    if missing or (exact and extra):
        wrong = f"lacks {kind} {missing[0]!r}" if missing else f"wants {kind} {extra[0]!r}"
        raise PolicyError(f"{folder.graph_path}: the graph {wrong}; {FILE} declares {', '.join(sorted(declared))}")
    for name, (dtype, shape) in declared.items():
        is_dtype, is_shape = _type_of(found[name])
        fits = len(is_shape) == len(shape) + 1 and all(isinstance(a, str) or a == b for a, b in zip(is_shape, (1, *shape), strict=True))
        if is_dtype != dtype or not fits:
            wanted = f"{dtype}[{', '.join(['B', *map(str, shape)])}]"
            raise PolicyError(f"{folder.graph_path}: {kind} {name!r} is {is_dtype}[{', '.join(map(str, is_shape))}], {FILE} declares {wanted}")


def _type_of(tensor: Any) -> tuple[str, tuple[int | str, ...]]:
    import onnx

    kind = tensor.type.tensor_type
    dims = tuple(dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or "?") for dim in kind.shape.dim)
    return onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name, dims
