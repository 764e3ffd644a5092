"""A policy folder can be trained on: beside the graphs lies what they do not hold.

A graph has most weights as they are, some of them transposed; norms are folded into the convolutions before them, and heads that only teach are
gone. `further.safetensors` has what is missing, and says where in the navigator the rest is found.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heron_camera.views import load_preprocessing, load_views
from heron_core.settings import from_mapping, load_yaml
from heron_model import hugging_face
from heron_model.config import ModelConfig
from heron_model.export.storage import is_exact_in_half
from heron_model.hugging_face import TOKENIZER, Checkpoint, CheckpointError, set_weights
from heron_model.model import DriveHeron
from heron_model.plain_yaml import plain
from heron_vla.contract import FILE as POLICY
from heron_vla.folder import load_policy

FURTHER = "further.safetensors"
ABOUT = "driveheron"  # key of its metadata: JSON
HALF = ".half"  # end of the name of a weight that the graph stores as float16

F32 = NDArray[np.float32]


def further(model: DriveHeron, navigator: bytes) -> bytes:
    """The file `FURTHER` of a model.

    Args:
        model: rounded as for the export, adapters merged.
        navigator: its graph.
    """
    from safetensors.torch import save

    places = {_key(values): name for name, values in _held(navigator).items()}
    unread = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    found: dict[str, list[Any]] = {}
    rest: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name in unread:
            continue
        values = tensor.detach().cpu().contiguous().clone()
        if not values.is_floating_point():
            rest[name] = values
        elif (place := places.get(_key(values.numpy()))) is not None:
            found[name] = [place, False]
        elif (place := places.get(_key(values.numpy().T))) is not None:
            found[name] = [place, True]
        else:
            rest[name] = values.half() if is_exact_in_half(values.numpy()) else values
    about = {
        "model": plain(dataclasses.asdict(dataclasses.replace(model.config, checkpoint=""))),
        "vocabulary": model.vocabulary,
        "first_special": model.first_special,
        "navigator": hashlib.sha256(navigator).hexdigest(),
        "found": found,
    }
    return bytes(save(rest, {ABOUT: json.dumps(about)}))


def open_model(folder: Path) -> Checkpoint:
    """The model of a training run, or of a policy folder.

    Args:
        folder: `model` of a run, or a policy that `further.safetensors` lies in.

    Raises:
        CheckpointError: it holds no such model, or one that is not whole.
        PolicyError: a policy that is not as its policy.yaml says.
        ConfigError: a configuration in it is wrong.
    """
    return _of_policy(folder) if (folder / POLICY).is_file() else hugging_face.load(folder)


def _of_policy(folder: Path) -> Checkpoint:
    policy = load_policy(folder)
    if not (folder / FURTHER).is_file():
        raise CheckpointError(f"{folder}: a policy without {FURTHER} cannot be trained on; name the folder `model` of the run that it comes from")
    about, rest = _read(folder / FURTHER)
    navigator = policy.graph_path.read_bytes()
    if about["navigator"] != hashlib.sha256(navigator).hexdigest():
        raise CheckpointError(f"{folder}: {FURTHER} belongs to another {policy.graph_path.name}; take both from the same export")
    held = _held(navigator)
    weights = {name: value.float() if value.dtype == torch.float16 else value for name, value in rest.items()}
    for name, (place, turned) in about["found"].items():
        weights[name] = torch.from_numpy(np.ascontiguousarray(held[place].T if turned else held[place]))
    config = from_mapping(ModelConfig, about["model"], f"{folder / FURTHER}: model")
    model = DriveHeron(config, about["vocabulary"], about["first_special"])
    unread = {name: value for name, value in model.state_dict().items() if name not in weights and _is_unread(model, name)}
    set_weights(model, unread | weights, f"{folder / FURTHER}: {{}} weights do not fit its model")
    file = folder / POLICY
    preprocessing = load_preprocessing(file)
    provenance = load_yaml(file).get("provenance") or {}
    return Checkpoint(model.eval(), folder / TOKENIZER, load_views(file), {"mode": preprocessing.mode, "digest": preprocessing.digest}, provenance)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            about: dict[str, Any] = json.loads((file.metadata() or {}).get(ABOUT, "{}"))
            rest = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}; export the policy again") from error
    missing = [name for name in ("model", "vocabulary", "first_special", "navigator", "found") if name not in about]
    if missing:
        raise CheckpointError(f"{path}: does not say {', '.join(missing)}; export the policy again")
    return about, rest


def _is_unread(model: DriveHeron, name: str) -> bool:
    """Of InternVL's weights, those that stand for nothing in this model."""
    found = dict(model.named_parameters()).get(name)
    return found is not None and not found.requires_grad


def _held(graph: bytes) -> dict[str, F32]:
    """Weights of an ONNX graph by name, in float32."""
    import onnx
    from onnx import TensorProto, numpy_helper

    stored = onnx.load_from_string(graph).graph.initializer
    return {
        each.name.removesuffix(HALF): numpy_helper.to_array(each).astype(np.float32)
        for each in stored
        if each.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16)
    }


def _key(values: NDArray[Any]) -> tuple[tuple[int, ...], bytes]:
    return values.shape, hashlib.sha256(np.ascontiguousarray(values, np.float32).tobytes()).digest()
