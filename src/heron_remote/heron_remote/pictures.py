"""Frame sets as pieces of a body: pixels as they lie in memory, or pictures as JPEG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_core.arrays import address, read_only
from heron_core.frames import FrameSet
from heron_remote.body import MAX_WHOLE, Part, Pieces, WireError, array_of, bytes_of, text, whole
from heron_vla.signature import Shape

LOSSLESS = 0
"""The quality that is no JPEG: pixels as they are."""

_START, _END = b"\xff\xd8", b"\xff\xd9"
_NO_FRAME = (0xC4, 0xC8, 0xCC)
"""Markers among those of a JPEG's frame (SOF, 0xC0 .. 0xCF) that are none: tables, and one that is reserved (ITU-T T.81, table B.1)."""


def pack_frames(frames: FrameSet, quality: int, pieces: list[Part]) -> dict[str, Any]:
    """The head of a frame set; its pictures are added to `pieces`."""
    images: dict[str, int] = {}
    for name, views in frames.images.items():
        images[name] = len(views)
        pieces += [bytes_of(views)] if quality == LOSSLESS else [_jpeg(view, quality) for view in views]
    return {
        "stamp_ns": frames.stamp_ns,
        "digest": frames.digest,
        "cameras": list(frames.cameras),
        "exposure_ns": list(frames.exposure_ns),
        "valid": list(frames.valid),
        "images": images,
    }


def unpack_frames(head: Mapping[str, Any], quality: int, shapes: Mapping[str, Shape], pieces: Pieces) -> FrameSet:
    """The frame set of a head; in `body.checked`.

    Raises:
        WireError: pictures that the policy does not have, or of another size.
    """
    images: dict[str, NDArray[np.uint8]] = {}
    for name, count in head["images"].items():
        shape = shapes.get(name)
        if shape is None:
            raise WireError(f"images {name!r:.40}, which the policy does not have")
        if count != shape[0]:
            raise WireError(f"{whole(count, 0, 1000)} pictures for {name}, the policy has {shape[0]}")
        if quality == LOSSLESS:
            images[name] = array_of(next(pieces), np.uint8, shape)
            continue
        views = np.empty(shape, dtype=np.uint8)
        for view in views:
            _decode(next(pieces), view)
        images[name] = read_only(views)
    return FrameSet(
        whole(head["stamp_ns"], 0, MAX_WHOLE),
        text(head["digest"]),
        tuple(text(camera) for camera in head["cameras"]),
        tuple(whole(each, 0, MAX_WHOLE) for each in head["exposure_ns"]),
        tuple(_flag(each) for each in head["valid"]),
        images,
        {name: address(each) for name, each in images.items()},
    )


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise WireError(f"a {type(value).__name__} where true or false was expected")
    return value


def _jpeg(view: NDArray[np.uint8], quality: int) -> bytes:
    """One (3, height, width) RGB view as JPEG."""
    done, data = cv2.imencode(".jpg", cv2.merge((view[2], view[1], view[0])), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return bytes(data)


def _decode(data: memoryview, into: NDArray[np.uint8]) -> None:
    """A JPEG of three colours into a (3, height, width) RGB view. Its size is looked at first: a few bytes can state a picture of gigabytes."""
    wanted, stated = (*into.shape[1:], 3), _stated_shape(data)
    if stated != wanted:
        raise WireError(f"a picture that is {stated or 'no JPEG'}, expected {wanted}")
    try:
        found = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise WireError(f"a picture that cannot be read: {error!s:.200}") from error
    if found is None or found.shape != wanted:
        raise WireError("a picture that cannot be read")
    into[:] = found[..., ::-1].transpose(2, 0, 1)


def _stated_shape(data: memoryview) -> tuple[int, int, int] | None:
    """(height, width, colours) in the frame header of a JPEG (ITU-T T.81, B.2.2); None: no whole JPEG."""
    if data[:2] != _START or data[-2:] != _END:
        return None
    at = len(_START)
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big"), data[at + 9]
        at += 2 + length
    return None
