"""DriveHeron as two ONNX graphs: `navigator` plans and fills the cache, `decode` says one word more.

PyTorch's newer exporter is used, which converts types by name: the older one writes bfloat16 sums as COMPLEX128, whose number in ONNX is that of
bfloat16 in PyTorch. Opset 23 has attention, root-mean-square norms and rotary positions as operators: a quarter faster on ONNX Runtime.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from heron_model.config import ModelConfig
from heron_model.export.origin import keep_origins
from heron_model.export.storage import store_as_half
from heron_model.layout import EGO_COLUMNS, EGO_STEPS
from heron_model.model import DriveHeron
from heron_vla.contract import (
    CACHE,
    CACHE_OUTPUT,
    COMMAND_INPUT,
    EGO_INPUT,
    KEEP,
    LOGITS_OUTPUT,
    NEXT_POSITION,
    POSITION_INPUT,
    TEXT_INPUT,
    TEXT_MASK_INPUT,
    THOUGHTS_OUTPUT,
    TOKEN_INPUT,
    TRAJECTORY_OUTPUT,
    past_input,
)

OPSET = 23
NAVIGATOR_OUTPUTS = (TRAJECTORY_OUTPUT, THOUGHTS_OUTPUT, CACHE, KEEP, NEXT_POSITION)
DECODE_INPUTS = (TOKEN_INPUT, POSITION_INPUT, KEEP, CACHE)
DECODE_OUTPUTS = (LOGITS_OUTPUT, CACHE_OUTPUT)
BATCH, TEXT, SEEN = "batch", "text", "seen"  # the dimensions that may be of any size
_SAMPLE_BATCH, _SAMPLE_TEXT = 2, 5  # while exporting; a size of 1 would be taken for a constant


def image_inputs(config: ModelConfig) -> dict[str, tuple[int, int, int, int]]:
    """Graph input → (views, 3, height, width), older images behind those of now."""
    return {
        name: (each.views, 3, each.height, each.width)
        for each in config.images
        for name in (each.name, *(past_input(each.name, step + 1) for step in range(each.past)))
    }


def sample_inputs(config: ModelConfig, vocabulary: int, batch: int, text: int, seed: int = 0) -> dict[str, Tensor]:
    """Inputs of the navigator as random as cameras never are.

    Args:
        config: of the model.
        vocabulary: its tokens.
        batch: how many.
        text: tokens of text; 0: none, which is one padded token that does not count.
        seed: of the dice.
    """
    dice = torch.Generator().manual_seed(seed)
    inputs: dict[str, Tensor] = {
        name: torch.randint(0, 256, (batch, *shape), generator=dice, dtype=torch.uint8) for name, shape in image_inputs(config).items()
    }
    inputs[EGO_INPUT] = torch.rand(batch, EGO_STEPS, len(EGO_COLUMNS), generator=dice) * torch.tensor([15.0, 0.3, 1.0])
    inputs[COMMAND_INPUT] = torch.randint(0, 4, (batch,), generator=dice)
    inputs[TEXT_INPUT] = torch.randint(0, vocabulary, (batch, max(text, 1)), generator=dice)
    inputs[TEXT_MASK_INPUT] = torch.full((batch, max(text, 1)), text > 0)
    if text > 1:
        inputs[TEXT_MASK_INPUT][-1, -1] = False  # shorter sentences are padded
    return inputs


class Navigator(nn.Module):
    """`DriveHeron.prefill` with its inputs by name."""

    def __init__(self, model: DriveHeron) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Inputs by their names in the graph → the outputs in the contract's order."""
        return self.model.prefill(inputs, inputs[EGO_INPUT], inputs[COMMAND_INPUT], inputs[TEXT_INPUT], inputs[TEXT_MASK_INPUT])


class Decode(nn.Module):
    """`DriveHeron.decode`."""

    def __init__(self, model: DriveHeron) -> None:
        super().__init__()
        self.model = model

    def forward(self, token: Tensor, position: Tensor, keep: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        """See there."""
        return self.model.decode(token, position, keep, cache)


def navigator_graph(model: DriveHeron) -> bytes:
    """The ONNX file of the graph `navigator`."""
    inputs = sample_inputs(model.config, model.vocabulary, _SAMPLE_BATCH, _SAMPLE_TEXT)
    batch, text = torch.export.Dim(BATCH), torch.export.Dim(TEXT)
    free = {name: {0: batch, 1: text} if name in (TEXT_INPUT, TEXT_MASK_INPUT) else {0: batch} for name in inputs}
    return _export(Navigator(model), {"inputs": inputs}, {"inputs": free}, tuple(inputs), NAVIGATOR_OUTPUTS)


def decode_graph(model: DriveHeron) -> bytes:
    """The ONNX file of the graph `decode`."""
    language = model.vlm.config.text_config
    head = getattr(language, "head_dim", None) or language.hidden_size // language.num_attention_heads
    inputs = {
        TOKEN_INPUT: torch.zeros(_SAMPLE_BATCH, 1, dtype=torch.long),
        POSITION_INPUT: torch.full((_SAMPLE_BATCH,), _SAMPLE_TEXT),
        KEEP: torch.ones(_SAMPLE_BATCH, _SAMPLE_TEXT + 1, dtype=torch.bool),
        CACHE: torch.zeros(_SAMPLE_BATCH, language.num_hidden_layers, 2, language.num_key_value_heads, _SAMPLE_TEXT, head, dtype=model.query.dtype),
    }
    batch, seen = torch.export.Dim(BATCH), torch.export.Dim(SEEN)
    free = {TOKEN_INPUT: {0: batch}, POSITION_INPUT: {0: batch}, KEEP: {0: batch, 1: seen + 1}, CACHE: {0: batch, 4: seen}}
    return _export(Decode(model), inputs, free, DECODE_INPUTS, DECODE_OUTPUTS)


def _export(module: nn.Module, inputs: dict[str, Any], free: dict[str, Any], names: tuple[str, ...], outputs: tuple[str, ...]) -> bytes:
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            module.eval(),
            kwargs=inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            output_names=outputs,
            dynamic_shapes=free,
            verbose=False,
        )
    graph = program.model_proto
    keep_origins(graph)
    store_as_half(graph)
    return bytes(graph.SerializeToString(deterministic=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on operators of libraries that we do not use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
