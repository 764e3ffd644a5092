"""What goes into and comes out of a policy's graphs, and whether an ONNX file keeps to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heron_core.errors import InputError
from heron_vla.contract import (
    CACHE,
    CACHE_OUTPUT,
    COMMAND_INPUT,
    DECODE,
    EGO_INPUT,
    FILE,
    KEEP,
    LOGITS_OUTPUT,
    NAVIGATOR,
    NEXT_POSITION,
    POSITION_INPUT,
    TEXT_INPUT,
    TEXT_MASK_INPUT,
    THOUGHTS_OUTPUT,
    TOKEN_INPUT,
    TRAJECTORY_OUTPUT,
    PolicySpec,
    past_input,
)

Shape = tuple[int, ...]
Dims = tuple[int | str, ...]
Tensors = Mapping[str, tuple[str, Dims]]
"""Tensor → (element type, shape without the batch). A named dimension is one that the graph decides (`_FREE`), or leaves open (`_DYNAMIC`)."""

_FREE = {"layers", "kv_heads", "head_dim", "vocabulary"}
_DYNAMIC = {"L", "S", "S+1"}
_CACHE: Dims = ("layers", 2, "kv_heads", "S", "head_dim")


class PolicyError(InputError):
    """A policy folder cannot be used, or a policy's output must not be."""


@dataclass(frozen=True)
class Signature:
    """Of one graph."""

    inputs: Tensors
    outputs: Tensors


def signatures(spec: PolicySpec, images: Mapping[str, Shape]) -> dict[str, Signature]:
    """Graph → its signature.

    Args:
        spec: the policy's promises.
        images: graph input → (views, 3, height, width).
    """
    ego, horizon = spec.ego_history, spec.horizon
    inputs: dict[str, tuple[str, Dims]] = {name: ("uint8", shape) for name, shape in images.items()}
    for name in spec.history.inputs:
        inputs |= {past_input(name, steps): ("uint8", images[name]) for steps in range(1, spec.history.steps)}
    inputs[EGO_INPUT] = ("float32", (ego.steps, len(ego.columns)))
    inputs[COMMAND_INPUT] = ("int64", ())
    outputs: dict[str, tuple[str, Dims]] = {TRAJECTORY_OUTPUT: ("float32", (horizon.points, 4))}
    if spec.text is None:
        return {name: Signature(inputs, outputs) for name in spec.graphs}
    inputs |= {TEXT_INPUT: ("int64", ("L",)), TEXT_MASK_INPUT: ("bool", ("L",))}
    outputs[THOUGHTS_OUTPUT] = ("float32", (sum(len(slot.words) for slot in spec.text.slots),))
    outputs |= {CACHE: ("float32", _CACHE), KEEP: ("bool", ("S",)), NEXT_POSITION: ("int64", ())}
    decode = Signature(
        {TOKEN_INPUT: ("int64", (1,)), POSITION_INPUT: ("int64", ()), KEEP: ("bool", ("S+1",)), CACHE: ("float32", _CACHE)},
        {LOGITS_OUTPUT: ("float32", ("vocabulary",)), CACHE_OUTPUT: ("float32", ("layers", 2, "kv_heads", "S+1", "head_dim"))},
    )
    return {NAVIGATOR: Signature(inputs, outputs), DECODE: decode}


def check_graph(path: Path, signature: Signature) -> dict[str, Dims]:
    """Whether an ONNX file has exactly the declared inputs, and the declared outputs at least.

    Returns:
        Tensor → its dimensions in the file, the batch among them.

    Raises:
        PolicyError: it has not; the text names the tensor, what it is and what it should be.
    """
    import onnx  # heavy

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # whatever protobuf meets in a broken file
        raise PolicyError(f"{path}: not an ONNX file: {error}") from error
    outside = [tensor.name for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if outside:
        raise PolicyError(f"{path}: keeps weights such as {outside[0]} in another file, which no sha256 covers; export it as one file")
    weights = {tensor.name for tensor in model.graph.initializer}
    found = [tensor for tensor in model.graph.input if tensor.name not in weights]
    shapes = _compare(path, "input", signature.inputs, {tensor.name: tensor for tensor in found}, exact=True)
    return shapes | _compare(path, "output", signature.outputs, {tensor.name: tensor for tensor in model.graph.output}, exact=False)


def _compare(path: Path, kind: str, declared: Tensors, found: Mapping[str, Any], exact: bool) -> dict[str, Dims]:
    missing, extra = sorted(set(declared) - set(found)), sorted(set(found) - set(declared))
    if missing or (exact and extra):
        wrong = f"lacks {kind} {missing[0]!r}" if missing else f"wants {kind} {extra[0]!r}"
        raise PolicyError(f"{path}: the graph {wrong}; {FILE} declares {', '.join(sorted(declared))}")
    shapes = {}
    for name, (dtype, shape) in declared.items():
        is_dtype, shapes[name] = _type_of(found[name])
        fits = len(shapes[name]) == len(shape) + 1 and all(map(_fits, shapes[name], (1, *shape)))
        if is_dtype != dtype or not fits:
            wanted = f"{dtype}[{', '.join(['B', *map(str, shape)])}]"
            raise PolicyError(f"{path}: {kind} {name!r} is {is_dtype}[{', '.join(map(str, shapes[name]))}], {FILE} declares {wanted}")
    return shapes


def _fits(found: int | str, declared: int | str) -> bool:
    if declared in _DYNAMIC:
        return isinstance(found, str)
    return isinstance(found, str) or declared in _FREE or found == declared


def _type_of(tensor: Any) -> tuple[str, Dims]:
    import onnx

    kind = tensor.type.tensor_type
    dims = tuple(dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or "?") for dim in kind.shape.dim)
    return onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name, dims
