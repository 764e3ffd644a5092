"""The check of numbers that a frozen dataclass of settings makes at construction."""

from __future__ import annotations

import math


def check_ranges(settings: object, *ranges: tuple[str, float, float]) -> None:
    """Refuses a setting outside its range.

    Args:
        settings: the dataclass.
        ranges: (attribute, least, most) of each number; both ends are allowed.

    Raises:
        ValueError: naming the attribute, its value and its range; also when the value is no finite number.
    """
    for name, least, most in ranges:
        value = getattr(settings, name)
        if not math.isfinite(value) or not least <= value <= most:
            raise ValueError(f"{name} = {value}, allowed {least} .. {most}")
