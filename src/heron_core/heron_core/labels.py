"""What people, or programs, say that a recording shows: boxes around whoever is there. The simulated world's own knowledge is `heron_core.truth`."""

from __future__ import annotations

from dataclasses import dataclass

from heron_core.se3 import SE3
from heron_core.truth import ActorKind


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """One thing; real ground is not level, so a box has a height and a tilt of its own.

    Attributes:
        id: the same in every moment, 0 … 2**32 - 1.
        kind: of it.
        pose: middle of the box in base_link; its length lies along x, its height along z.
        length_m, width_m, height_m: of the box.
    """

    id: int
    kind: ActorKind
    pose: SE3
    length_m: float
    width_m: float
    height_m: float


@dataclass(frozen=True, slots=True)
class Labels:
    """Everything that is labelled at one moment.

    Attributes:
        stamp_ns: the moment, on the one clock.
        boxes: in base_link as it was then.
    """

    stamp_ns: int
    boxes: tuple[LabelledBox, ...]
