"""The policy protocol: what turns a frame set, ego history and an instruction into a trajectory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from heron_core.frames import FrameSet


@dataclass(frozen=True)
class PolicyInput:
    """All that a policy may see.

    Attributes:
        frames: newest frame set.
        ego_history: (steps, columns) float32, oldest first; columns and step as the policy states.
        command: index into the policy's manoeuvres.
        text: free instruction, may be empty.
        past: frame sets before `frames` at the steps that the policy states, newest first; they hold at least the images that it wants.
    """

    frames: FrameSet
    ego_history: NDArray[np.float32]
    command: int
    text: str = ""
    past: tuple[FrameSet, ...] = ()


class Policy(Protocol):
    """Anything that plans: a local ONNX session, a remote client, an expert in simulation."""

    @property
    def digest(self) -> str:
        """Digest of everything that decides the output."""

    def plan(self, request: PolicyInput) -> NDArray[np.float32]:
        """(40, 4) float32: x, y, yaw, speed in base_link at the frame set's stamp."""
