"""What the world's training drives are like: the only home of their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Only = Literal["", "choices", "yielding", "lights", "braking"]


@dataclass(frozen=True)
class TownDataConfig:
    """Drives in the world.

    Attributes:
        drives: how many, each in a town of its own.
        first_seed: of the first; the next have the next. Seeds below 50,000 are held out: nothing is ever learnt from their towns.
        seconds: of each.
        quiet_s: mean time between disturbances; 0: none.
        aside_m: standard deviation of the places beside the route that the car is led to.
        change_share: of the drives, those whose way is chosen so that it soon changes lane for a turn, where the town has such a way. On ways as
            they are drawn 2 % of the samples show a change: too few to learn it from.
        late_share: of the changes of lane that a turn needs, those that come late.
        late_braking_share: of the times that the expert brakes, those that the car does so late, and then harder; in drives of the expert only.
        turned_rad: standard deviation of the heading error that one disturbance leaves.
        jpeg_quality: of stored pictures.
        only: keep only moments of one kind, more closely: `choices`, shortly before a junction at which the expert was asked for another manoeuvre,
            too; `yielding`, in which it yields, and the 2 s before; `lights`, near to a yellow or red one; `braking`, in which it slows down. Empty:
            moments of all kinds.
        policy_share: of the drives, in which the policy drives and the expert only tells what it would do (DAgger); 0 without a policy.
    """

    drives: int = 260
    first_seed: int = 100_000
    seconds: float = 60.0
    quiet_s: float = 4.0
    aside_m: float = 0.6
    change_share: float = 0.3
    late_share: float = 0.5
    late_braking_share: float = 0.0
    turned_rad: float = 0.08
    jpeg_quality: int = 94
    only: Only = ""
    policy_share: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.drives <= 100_000:
            raise ValueError(f"drives = {self.drives}, allowed 1 .. 100000")
        if self.first_seed < 50_000:
            raise ValueError(f"first_seed = {self.first_seed}: seeds below 50000 are held out for evaluation")
        if not 0.0 <= self.aside_m <= 2.0:
            raise ValueError(f"aside_m = {self.aside_m}, allowed 0 .. 2")
        if not 0.0 <= self.change_share <= 1.0:
            raise ValueError(f"change_share = {self.change_share}, allowed 0 .. 1")
        for name in ("late_share", "late_braking_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} = {getattr(self, name)}, allowed 0 .. 1")
        if not 5.0 <= self.seconds <= 600.0:
            raise ValueError(f"seconds = {self.seconds}, allowed 5 .. 600")
        if not 0.0 <= self.policy_share <= 1.0:
            raise ValueError(f"policy_share = {self.policy_share}, allowed 0 .. 1")
        if self.late_braking_share > 0.0 and self.policy_share == 1.0:
            raise ValueError(f"late_braking_share = {self.late_braking_share} does nothing where a policy drives every drive (policy_share = 1)")
        if self.only not in get_args(Only):
            raise ValueError(f"only = {self.only!r}, allowed: {', '.join(get_args(Only)[1:])}")
        if not 50 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality = {self.jpeg_quality}, allowed 50 .. 100")
