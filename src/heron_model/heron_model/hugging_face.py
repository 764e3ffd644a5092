"""A DriveHeron as a Hugging Face folder: what a training run leaves, and what export and further training begin with.

    config.json, model.safetensors   the InternVL inside, as `transformers` opens it by itself
    driveheron.safetensors           the parts for driving
    driveheron.yaml                  the model's configuration, its cameras, where it comes from
    tokenizer.json                   its words

No pickled file is ever opened: who opens one runs what it says.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from heron_camera.views import VirtualCamera, load_preprocessing, load_views
from heron_core.errors import ConfigError, InputError
from heron_core.settings import from_mapping, load_yaml
from heron_model.cameras import check_views_fit, views_of, views_section
from heron_model.config import ModelConfig
from heron_model.layout import SPECIALS
from heron_model.lora import merged
from heron_model.model import DriveHeron
from heron_model.plain_yaml import plain

DESCRIPTION, DRIVING, TOKENIZER = "driveheron.yaml", "driveheron.safetensors", "tokenizer.json"
FORMAT = 1
_INSIDE = "vlm."  # names of weights that the InternVL holds


class CheckpointError(InputError):
    """A folder is no checkpoint that this model can begin with; the text says why."""


@dataclass(frozen=True)
class Checkpoint:
    """What a training run leaves.

    Attributes:
        model: on the CPU, in float32.
        tokenizer: its file.
        views: virtual cameras, in the order of the model's inputs.
        preprocessing: `mode` and `digest`, as in policy.yaml.
        provenance: data, recipe, code, metrics, limits; free form.
    """

    model: DriveHeron
    tokenizer: Path
    views: tuple[VirtualCamera, ...]
    preprocessing: Mapping[str, str] = field(default_factory=lambda: {"mode": "fast"})
    provenance: Mapping[str, Any] = field(default_factory=dict)


def save(
    model: DriveHeron,
    tokenizer: Path,
    folder: Path,
    provenance: Mapping[str, Any],
    views: Sequence[VirtualCamera] | None = None,
    preprocessing: Mapping[str, str] | None = None,
) -> Path:
    """Writes a checkpoint; adapters are merged into what they adapt.

    Args:
        model: to save.
        tokenizer: its tokenizer.json.
        folder: made if it is not there; files of an older checkpoint in it are replaced.
        provenance: plain values: data, recipe, command, code, metrics, limits.
        views: cameras of the samples; None: those of the layout.
        preprocessing: of the samples; None: `fast`, as the vehicle has it by default.

    Raises:
        ConfigError: the views are not what the model takes.
    """
    from safetensors.torch import save_file

    views = tuple(views) if views is not None else views_of(model.config)
    check_views_fit(model.config, views)
    whole = merged(model)
    folder.mkdir(parents=True, exist_ok=True)
    with _without_bars():
        _internvl_of(whole).save_pretrained(folder)
    driving = {name: value for name, value in whole.state_dict().items() if not name.startswith(_INSIDE) and name != "speech_head.weight"}
    save_file({name: value.detach().cpu().contiguous() for name, value in driving.items()}, str(folder / DRIVING))
    if tokenizer.resolve() != (folder / TOKENIZER).resolve():
        shutil.copyfile(tokenizer, folder / TOKENIZER)
    description = {
        "format": FORMAT,
        "model": plain(dataclasses.asdict(dataclasses.replace(whole.config, checkpoint=""))),
        "vocabulary": whole.vocabulary,
        "first_special": whole.first_special,
        "views": views_section(views),
        "preprocessing": dict(preprocessing or {"mode": "fast"}),
        "provenance": plain(provenance),
    }
    (folder / DESCRIPTION).write_text(yaml.safe_dump(description, sort_keys=False, allow_unicode=True, width=150), encoding="utf-8")
    return folder


def load(folder: Path) -> Checkpoint:
    """Opens what `save` wrote.

    Raises:
        CheckpointError: a file is missing, pickled or broken, or weights are missing or of another size.
        ConfigError: driveheron.yaml is wrong.
    """
    file = folder / DESCRIPTION
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    if not file.is_file():
        raise CheckpointError(f"{folder}: no {DESCRIPTION} in this folder, so it is no DriveHeron; ./heron model train makes one")
    content = load_yaml(file)
    if content.get("format") != FORMAT:
        raise CheckpointError(f"{file}: format {content.get('format')}, this Heron reads format {FORMAT}")
    for needed in (DRIVING, TOKENIZER):
        if not (folder / needed).is_file():
            raise CheckpointError(f"{folder}: {needed} is missing")
    config = from_mapping(ModelConfig, content.get("model", {}), f"{file}: model")
    vocabulary, first_special = content.get("vocabulary"), content.get("first_special")
    if not isinstance(vocabulary, int) or not isinstance(first_special, int) or not 0 <= first_special <= vocabulary - len(SPECIALS):
        raise ConfigError(f"{file}: vocabulary = {vocabulary!r}, first_special = {first_special!r}: the {len(SPECIALS)} own tokens must fit in")
    views = load_views(file)
    check_views_fit(config, views)
    model = DriveHeron(dataclasses.replace(config, checkpoint=""), vocabulary, first_special)
    _fill(model, folder)
    preprocessing = load_preprocessing(file)
    return Checkpoint(
        model.eval(), folder / TOKENIZER, views, {"mode": preprocessing.mode, "digest": preprocessing.digest}, content.get("provenance") or {}
    )


def open_internvl(folder: Path, dtype: Any = torch.float32) -> Any:
    """The `InternVLForConditionalGeneration` of a local folder; nothing is fetched, nothing unpickled.

    Raises:
        CheckpointError: no such folder, another architecture, missing or pickled weights.
    """
    from transformers import InternVLForConditionalGeneration

    check_internvl_folder(folder)
    try:
        with _without_bars():
            model, found = InternVLForConditionalGeneration.from_pretrained(
                str(folder), local_files_only=True, use_safetensors=True, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
            )
    except Exception as error:  # transformers, safetensors and json each raise their own
        raise CheckpointError(f"{folder}: transformers cannot open it: {str(error).splitlines()[0]}") from error
    for what in ("missing_keys", "mismatched_keys"):
        names = sorted(str(name if isinstance(name, str) else name[0]) for name in found[what])
        if names:
            raise CheckpointError(
                f"{folder}: {len(names)} weights are {what.split('_')[0]}, such as {names[0]}: config.json and the weights do not fit"
            )
    return model


def check_internvl_folder(folder: Path) -> dict[str, Any]:
    """What `config.json` says of a folder that holds an InternVL with safetensors.

    Raises:
        CheckpointError: it does not.
    """
    import json

    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; a checkpoint is a local folder, nothing is fetched")
    try:
        said: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder}: no config.json in this folder, so it is no Hugging Face checkpoint") from error
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{folder / 'config.json'}: cannot be read: {error}") from error
    kind = said.get("model_type")
    if kind == "internvl_chat":
        raise CheckpointError(f"{folder}: an InternVL in its authors' own format; take the folder of the same name that ends in -hf")
    if kind != "internvl":
        raise CheckpointError(f"{folder}: its architecture is {kind}, DriveHeron begins with internvl")
    _check_weight_files(folder, json)
    return said


def _check_weight_files(folder: Path, json: Any) -> None:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        missing = [shard for shard in shards if not (folder / shard).is_file()]
        if missing:
            raise CheckpointError(f"{folder}: {missing[0]} is missing, {len(missing)} of {len(shards)} files of weights in all")
    elif not (folder / "model.safetensors").is_file():
        pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in folder.glob(pattern))
        if pickled:
            raise CheckpointError(
                f"{folder}: {pickled[0]} is pickled, and opening it could run anything; convert it to safetensors where you trust it"
            )
        raise CheckpointError(f"{folder}: model.safetensors is missing")


def _internvl_of(model: DriveHeron) -> Any:
    """The InternVL inside as transformers saves and opens it, sharing the weights."""
    from transformers import InternVLForConditionalGeneration

    with torch.device("meta"):
        shell = InternVLForConditionalGeneration(model.vlm.config)
    shell.model = model.vlm
    shell.lm_head.weight = model.language_model.get_input_embeddings().weight if model.config.language.tied else model.speech_head.weight
    return shell


def _fill(model: DriveHeron, folder: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    inside = open_internvl(folder)
    try:
        weights: dict[str, Tensor] = load_file(str(folder / DRIVING))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{folder / DRIVING}: cannot be read: {error}") from error
    weights |= {f"{_INSIDE}{name}": value for name, value in inside.model.state_dict().items()}
    if not model.config.language.tied:
        weights["speech_head.weight"] = inside.lm_head.weight
    set_weights(model, weights, f"{folder}: {{}} weights do not fit {DESCRIPTION}")


def set_weights(model: DriveHeron, weights: Mapping[str, Tensor], complaint: str) -> None:
    """Gives a model all its weights.

    Args:
        model: whose they are.
        weights: by their names in its state.
        complaint: how the error begins; {} stands for how many do not fit.

    Raises:
        CheckpointError: some are missing, too many, or of another size.
    """
    wanted = model.state_dict()
    wrong = sorted(set(wanted) ^ set(weights)) or sorted(name for name in wanted if wanted[name].shape != weights[name].shape)
    if wrong:
        found = list(weights[wrong[0]].shape) if wrong[0] in weights else "missing"
        needed = list(wanted[wrong[0]].shape) if wrong[0] in wanted else "not in this model"
        raise CheckpointError(f"{complaint.format(len(wrong))}, such as {wrong[0]}: {found}, expected {needed}")
    model.load_state_dict(weights)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Without the remarks and progress bars of transformers: what matters is said in errors."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
