"""The other manoeuvres of a sample: how they are kept in its column `others`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_core.trajectory import POINTS
from heron_model.layout import MANOEUVRES, SLOTS
from heron_model.packed import pack, unpack

_WORDS = {slot.name: slot.words for slot in SLOTS}


@dataclass(frozen=True)
class Other:
    """What is done at a moment if it is told otherwise.

    Attributes:
        manoeuvre: that is told.
        points: (40, 4) the expert's plan.
        signal, ahead: words of `layout.SLOTS` on that way.
    """

    manoeuvre: str
    points: NDArray[np.float32]
    signal: str
    ahead: str


def packed(others: Sequence[Other]) -> bytes:
    """For the column `others`; nothing for none."""
    if not others:
        return b""
    words = [(MANOEUVRES.index(each.manoeuvre), _WORDS["signal"].index(each.signal), _WORDS["ahead"].index(each.ahead)) for each in others]
    return pack({"words": np.array(words, np.int8), "points": np.stack([each.points for each in others])})


def unpacked(data: bytes | None) -> list[Other]:
    """What `packed` packed."""
    found = unpack(data or b"")
    if not found:
        return []
    return [
        Other(MANOEUVRES[manoeuvre], points.reshape(POINTS, 4).astype(np.float32), _WORDS["signal"][signal], _WORDS["ahead"][ahead])
        for (manoeuvre, signal, ahead), points in zip(found["words"].tolist(), found["points"], strict=True)
    ]
