"""Just enough of H.264 (ITU-T Rec. H.264, Annex B and 7.3) to see keyframes and lost frames.

A decoder hides a lost frame: it repeats an older picture and lets the next ones refer to it. `frame_num` in the slice header tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SLICE, _IDR, _SPS, _PPS = 1, 5, 7, 8
# Profiles whose sequence parameter sets carry chroma format and scaling lists (7.3.2.1.1).
_HIGH_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)


def nal_units(data: NDArray[np.uint8]) -> Iterator[tuple[int, int, bytes]]:
    """(nal_ref_idc, nal_unit_type, up to 512 bytes of payload without emulation prevention) of an access unit in Annex B form."""
    raw = data.tobytes()
    start = raw.find(b"\0\0\1")
    while start >= 0:
        start += 3
        if start >= len(raw):
            return
        following = raw.find(b"\0\0\1", start)
        end = following if following >= 0 else len(raw)
        head = raw[start]
        yield (head >> 5) & 3, head & 31, raw[start + 1 : min(end, start + 513)].replace(b"\0\0\3", b"\0\0")
        start = following


def contains_keyframe(data: NDArray[np.uint8]) -> bool:
    """Whether decoding can start at this access unit: an IDR picture with its parameter sets."""
    kinds = {kind for _, kind, _ in nal_units(data)}
    return {_IDR, _SPS, _PPS} <= kinds


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data)
        self._at = 0

    def u(self, count: int) -> int:
        """Unsigned, `count` bits; ValueError past the end."""
        if self._at + count > len(self._bits):
            raise ValueError("header ends early")
        value = int(self._bits[self._at : self._at + count] or "0", 2)
        self._at += count
        return value

    def ue(self) -> int:
        """Unsigned Exp-Golomb (9.1)."""
        zeros = 0
        while self.u(1) == 0:
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Signed Exp-Golomb (9.1.1)."""
        value = self.ue()
        return (value + 1) // 2 if value % 2 else -(value // 2)


@dataclass(frozen=True)
class _Sequence:
    frame_num_bits: int
    separate_planes: bool
    gaps_allowed: bool


def _read_sequence(payload: bytes) -> _Sequence:
    bits = _Bits(payload)
    profile = bits.u(8)
    bits.u(16)  # constraint flags and level
    bits.ue()  # seq_parameter_set_id
    separate = False
    if profile in _HIGH_PROFILES:
        chroma = bits.ue()
        separate = chroma == 3 and bool(bits.u(1))
        bits.ue(), bits.ue(), bits.u(1)  # bit depths, lossless flag
        if bits.u(1):
            for i in range(8 if chroma != 3 else 12):
                if bits.u(1):
                    _skip_scaling_list(bits, 16 if i < 6 else 64)
    frame_num_bits = bits.ue() + 4
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1), bits.se(), bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue()  # max_num_ref_frames
    return _Sequence(frame_num_bits, separate, bool(bits.u(1)))


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


class FrameGap:
    """Follows `frame_num` through a stream (7.4.3) and reports where frames are missing."""

    def __init__(self) -> None:
        self._sequence: _Sequence | None = None
        self._last = 0
        self._last_was_reference = False

    def check(self, data: NDArray[np.uint8]) -> str | None:
        """Why the access unit `data` cannot follow the last one, or None."""
        try:
            return self._check(data)
        except ValueError as error:
            return f"damaged H.264 header: {error}"

    def _check(self, data: NDArray[np.uint8]) -> str | None:
        for reference, kind, payload in nal_units(data):
            if kind == _SPS:
                self._sequence = _read_sequence(payload)
            elif kind in (_SLICE, _IDR):
                return self._check_slice(payload, bool(reference), kind == _IDR)
        return "H.264 packet without a picture"

    def _check_slice(self, payload: bytes, reference: bool, keyframe: bool) -> str | None:
        if self._sequence is None:
            return "H.264 picture before its parameter sets"
        bits = _Bits(payload[:64])
        bits.ue(), bits.ue(), bits.ue()  # first_mb_in_slice, slice_type, pic_parameter_set_id
        if self._sequence.separate_planes:
            bits.u(2)
        number = bits.u(self._sequence.frame_num_bits)
        before, after_reference = self._last, self._last_was_reference
        self._last, self._last_was_reference = number, reference
        if keyframe or self._sequence.gaps_allowed:
            return None
        span = 1 << self._sequence.frame_num_bits
        expected = (before + 1) % span if after_reference else before
        if number == expected:
            return None
        return f"H.264 frame is missing: frame_num {number} after {before}"
