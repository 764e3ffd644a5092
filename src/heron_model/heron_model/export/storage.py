"""Weights in half the bytes, with arithmetic that stays as it was.

Weights are rounded to float16 once, in the model itself. The graph stores them as float16 and turns them into float32 by a Cast that every
runtime folds away when it opens the file: the same numbers, the same speed, half the size.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from heron_model.model import DriveHeron

LEAST = 1024  # values of a tensor that is worth a Cast


def rounded(model: DriveHeron) -> DriveHeron:
    """A copy in float32 whose matrices are exact in float16; vectors (biases, gains, statistics) keep all their digits."""
    kept: DriveHeron = copy.deepcopy(model).float().eval()
    with torch.no_grad():
        for parameter in kept.parameters():
            if parameter.ndim >= 2 and parameter.numel() >= LEAST:
                parameter.copy_(parameter.half().float())
    return kept


def store_as_half(graph: Any) -> None:
    """Stores the weights of an ONNX model as float16 where that loses nothing."""
    from onnx import TensorProto, helper, numpy_helper

    casts, stored = [], []
    for tensor in graph.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= LEAST:
            values = numpy_helper.to_array(tensor)
            if is_exact_in_half(values):
                stored.append(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}.half"))
                casts.append(helper.make_node("Cast", [f"{tensor.name}.half"], [tensor.name], name=f"{tensor.name}.float", to=TensorProto.FLOAT))
                continue
        stored.append(tensor)
    nodes = [*casts, *graph.graph.node]
    del graph.graph.initializer[:], graph.graph.node[:]
    graph.graph.initializer.extend(stored)
    graph.graph.node.extend(nodes)


def is_exact_in_half(values: NDArray[Any]) -> bool:
    """Whether float16 holds these numbers as they are."""
    with np.errstate(over="ignore"):
        return np.array_equal(values.astype(np.float16).astype(values.dtype), values)
