"""As much of H.264 as cutting needs: which access units can be decoded without their predecessors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_IDR = 5


def is_keyframe(access_unit: NDArray[np.uint8] | bytes | memoryview) -> bool:
    """Whether an Annex B access unit holds an IDR slice (NAL type 5, ITU-T H.264 table 7-1)."""
    data = bytes(access_unit)
    position = data.find(b"\0\0\1")
    while 0 <= position < len(data) - 3:
        kind = data[position + 3] & 0x1F
        if kind == _IDR:
            return True
        if kind == 1:  # the slice of a non-IDR picture: its access unit holds no IDR slice
            return False
        position = data.find(b"\0\0\1", position + 3)
    return False
