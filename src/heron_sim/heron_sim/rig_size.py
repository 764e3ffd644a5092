"""A car's cameras with smaller pictures: the same lenses, fewer pixels."""

from __future__ import annotations

from dataclasses import replace

from heron_core.camera import Lens
from heron_core.errors import InputError
from heron_core.rig import Rig

LARGEST = (1920, 1280)


def sized(rig: Rig, width: int, height: int) -> Rig:
    """The rig with pictures of `width` x `height`: as wide a view as before, cut at the top and the bottom by equal parts.

    Raises:
        InputError: a size that cannot be cut from the cameras' pictures.
    """
    cameras = {name: replace(camera, lens=_sized(name, camera.lens, width, height)) for name, camera in rig.cameras.items()}
    return replace(rig, cameras=cameras)


def _sized(name: str, lens: Lens, width: int, height: int) -> Lens:
    factor = width / lens.width
    cut = (lens.height * factor - height) / 2.0
    if not (16 <= width <= LARGEST[0] and 16 <= height <= LARGEST[1]) or cut < -0.5:
        raise InputError(
            f"pictures of {width}x{height} cannot be cut from {name}, which has {lens.width}x{lens.height}; "
            f"allowed 16 .. {LARGEST[0]} wide and at most {lens.height / lens.width:.3f} of that high"
        )
    small = lens.scaled(factor)
    return replace(small, width=width, height=height, cy=small.cy - max(cut, 0.0))
