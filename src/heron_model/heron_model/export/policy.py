"""A trained DriveHeron → a policy folder: two graphs, tokenizer, policy.yaml, what further training needs, card.

Nothing is written before parity is proven.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
import yaml

from heron_bag.attachments import code_version
from heron_core.errors import InputError
from heron_core.trajectory import POINTS, STEP_S
from heron_model import layout
from heron_model.cameras import views_section
from heron_model.export.card import card
from heron_model.export.further import FURTHER, further
from heron_model.export.graphs import decode_graph, navigator_graph, sample_inputs
from heron_model.export.parity import Parity, check_parity
from heron_model.export.storage import rounded
from heron_model.hugging_face import Checkpoint
from heron_vla.contract import DECODE, FILE, NAVIGATOR, VERSION
from heron_vla.folder import load_policy

TOKENIZER, CARD = "tokenizer.json", "README.md"
ONE_FILE_BYTES = 2**31 - 1  # what a protobuf may have


class ExportError(InputError):
    """This model cannot become a policy folder; the text says why."""


def write_policy(
    checkpoint: Checkpoint,
    out: Path,
    name: str = "driveheron",
    tell: Callable[[str], None] = lambda step: None,
    precision: Literal["fp32", "bf16"] = "fp32",
) -> Path:
    """Exports a checkpoint.

    Args:
        checkpoint: what was trained.
        out: the policy folder; must be new, or a policy folder, whose policy is replaced.
        name: of the policy.
        tell: called with each step of the work.
        precision: that the car computes in where its processor can; the graphs and their parity are of fp32 either way.

    Raises:
        ExportError: `out` holds something else, or the model is too big for a single file.
        ParityError: the graphs do not compute what PyTorch does.
    """
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]) and not (out / FILE).is_file():
        raise ExportError(f"{out}: exists and is no policy folder; name a new folder")
    weights = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    if 2 * weights > ONE_FILE_BYTES:
        raise ExportError(f"{weights / 1e9:.2f} billion weights do not fit one ONNX file, which ends at 2 GiB; export a smaller model")
    tell("rounding the weights to float16")
    model = rounded(checkpoint.model)
    tell("tracing the navigator")
    navigator = navigator_graph(model)
    tell("tracing the decoder")
    decode = decode_graph(model)
    tell("comparing both with PyTorch")
    parity = check_parity(model, navigator, decode)
    files = {"navigator.onnx": navigator, "decode.onnx": decode, TOKENIZER: checkpoint.tokenizer.read_bytes(), FURTHER: further(model, navigator)}
    description = _description(checkpoint, name, precision, files, {**_facts(parity, weights), "rounding_m": _rounding_m(checkpoint.model, model)})
    files[FILE] = yaml.safe_dump(description, sort_keys=False, allow_unicode=True, width=150).encode()
    files[CARD] = card(description, {file: len(content) for file, content in files.items()}).encode()
    _write(out, files)
    return out


def _description(checkpoint: Checkpoint, name: str, precision: str, files: dict[str, bytes], facts: dict[str, Any]) -> dict[str, Any]:
    sha256 = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    past = [each.name for each in checkpoint.model.config.images if each.past]
    steps = 1 + max(each.past for each in checkpoint.model.config.images)
    return {
        "contract": VERSION,
        "name": name,
        "preprocessing": dict(checkpoint.preprocessing),
        "views": views_section(checkpoint.views),
        "history": {"steps": steps, "step_s": layout.PAST_S, "inputs": past},
        "ego_history": {"columns": list(layout.EGO_COLUMNS), "steps": layout.EGO_STEPS, "step_s": layout.EGO_STEP_S},
        "manoeuvres": list(layout.MANOEUVRES),
        "horizon": {"points": POINTS, "step_s": STEP_S},
        "precision": precision,
        "text": {
            "tokenizer": {"file": TOKENIZER, "sha256": sha256[TOKENIZER]},
            "max_tokens": layout.TEXT_TOKENS,
            "max_speech_tokens": layout.SPEECH_TOKENS,
            "slots": [{"name": slot.name, "words": list(slot.words)} for slot in layout.SLOTS],
            "languages": dict(layout.LANGUAGES),
            "end": layout.END,
            "pad": layout.PAD,
        },
        "graphs": {kind: {"file": f"{kind}.onnx", "sha256": sha256[f"{kind}.onnx"]} for kind in (NAVIGATOR, DECODE)},
        "provenance": {**checkpoint.provenance, "export": {"code": code_version(), **facts}},
    }


def _facts(parity: Parity, weights: int) -> dict[str, Any]:
    return {"parameters": weights, "weights": "float16, computed in float32", "parity": {k: float(f"{v:.2g}") for k, v in parity.differences.items()}}


def _rounding_m(before: torch.nn.Module, after: torch.nn.Module) -> float:
    """How far rounding the weights moves a trajectory of random images: the largest difference of a coordinate in metres."""
    model, kept = before, after
    with torch.no_grad():
        moved = []
        was_training = model.training
        model.eval()
        for seed in range(4):
            inputs = sample_inputs(kept.config, kept.vocabulary, 1, 5, seed)
            first, second = (each.prefill(inputs, *list(inputs.values())[-4:])[0] for each in (model, kept))
            moved.append(float((first.float() - second)[..., :2].abs().max()))
        model.train(was_training)
    return float(f"{max(moved):.2g}")


def _write(out: Path, files: dict[str, bytes]) -> None:
    """Writes beside `out`, checks as the car does, then moves everything there, policy.yaml last: half a move is refused when it is opened."""
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file, content in files.items():
        (partial / file).write_bytes(content)
    load_policy(partial)
    out.mkdir(exist_ok=True)
    for file in sorted(files, key=lambda name: name == FILE):
        (partial / file).replace(out / file)
    partial.rmdir()
