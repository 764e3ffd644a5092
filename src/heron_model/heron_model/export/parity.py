"""Whether the graphs compute what PyTorch does: every output, batches, with and without text, and an explanation token by token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from heron_core.errors import HeronError
from heron_model.export.graphs import DECODE_OUTPUTS, NAVIGATOR_OUTPUTS, sample_inputs
from heron_model.model import DriveHeron
from heron_vla.contract import CACHE, CACHE_OUTPUT, KEEP, LOGITS_OUTPUT, NEXT_POSITION, POSITION_INPUT, TOKEN_INPUT

LIMIT = 1e-4  # of float32; what is compared is near 1, trajectories in units of up to 100 m
CASES = ((1, 0), (1, 7), (3, 4))  # batch, tokens of text
WORDS = 6  # of an explanation, decoded greedily


class ParityError(HeronError):
    """A graph does not compute what PyTorch does."""

    is_failure = True


@dataclass(frozen=True)
class Parity:
    """Largest absolute difference between ONNX Runtime and PyTorch per output, in the output's own unit."""

    differences: dict[str, float]

    @property
    def worst(self) -> float:
        """Of all outputs."""
        return max(self.differences.values())


def check_parity(model: DriveHeron, navigator: bytes, decode: bytes) -> Parity:
    """Compares both graphs with the model that they were exported from.

    Raises:
        ParityError: an output differs by more than `LIMIT`, or is not finite; the text names it.
    """
    plan, say = open_session(navigator), open_session(decode)
    differences: dict[str, float] = {}
    with torch.no_grad():
        for case, (batch, text) in enumerate(CASES):
            inputs = sample_inputs(model.config, model.vocabulary, batch, text, seed=case + 1)
            found = dict(
                zip(NAVIGATOR_OUTPUTS, plan.run(list(NAVIGATOR_OUTPUTS), {name: value.numpy() for name, value in inputs.items()}), strict=True)
            )
            wanted = dict(zip(NAVIGATOR_OUTPUTS, model.prefill(inputs, *list(inputs.values())[-4:]), strict=True))
            for name in NAVIGATOR_OUTPUTS:
                _note(differences, name, found[name], wanted[name])
            _compare_words(model, say, found, wanted, differences)
    parity = Parity(differences)
    over = [f"{name} by {value:.2g}" for name, value in differences.items() if not value <= LIMIT]
    if over:
        raise ParityError(f"ONNX Runtime and PyTorch differ by more than {LIMIT:g} in {', '.join(over)}; the policy is not written")
    return parity


def open_session(graph: bytes) -> Any:
    """An ONNX Runtime session on one CPU thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _compare_words(model: DriveHeron, say: Any, found: dict[str, Any], wanted: dict[str, Any], differences: dict[str, float]) -> None:
    """Each side goes on from its own cache; both are told PyTorch's words."""
    keep, position, cache, cached = wanted[KEEP], wanted[NEXT_POSITION], wanted[CACHE], found[CACHE]
    token = torch.full((len(position), 1), model.first_special)
    for _ in range(WORDS):
        keep = torch.cat([keep, torch.ones(len(keep), 1, dtype=torch.bool)], 1)
        logits, cache = model.decode(token, position, keep, cache)
        inputs = {TOKEN_INPUT: token.numpy(), POSITION_INPUT: position.numpy(), KEEP: keep.numpy(), CACHE: cached}
        heard, cached = say.run(list(DECODE_OUTPUTS), inputs)
        _note(differences, LOGITS_OUTPUT, heard, logits)
        _note(differences, CACHE_OUTPUT, cached, cache)
        token, position = logits.argmax(1, keepdim=True), position + 1


def _note(differences: dict[str, float], name: str, found: NDArray[Any], wanted: torch.Tensor) -> None:
    reference = wanted.numpy()
    if found.shape != reference.shape or found.dtype != reference.dtype:
        raise ParityError(f"{name} is {found.dtype}{list(found.shape)}, PyTorch gives {reference.dtype}{list(reference.shape)}")
    difference = float(np.abs(found.astype(np.float64) - reference.astype(np.float64)).max())
    differences[name] = max(differences.get(name, 0.0), difference) if np.isfinite(difference) else float("inf")
