"""Which shapes the rays of each tile can meet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.compiled import compiled, compiled_parallel
from heron_sim.drawing.hits import SPHERE, TO_X, TO_Y, TO_Z
from heron_sim.drawing.rays import BLOCK, Cones
from heron_sim.drawing.shapes import CX, CY, CZ, F32, RADIUS

if TYPE_CHECKING:
    prange = range
else:
    from numba import prange

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@compiled
def _touches(x: float, y: float, z: float, sphere: float, ax: float, ay: float, az: float, cosine: float, sine: float) -> bool:
    """Whether a cone (unit axis in the world, cosine and sine of its half angle) may meet the sphere about (x, y, z) of squared radius `sphere`."""
    if cosine > 1.5:
        return False
    square = x * x + y * y + z * z
    if square <= sphere:
        return True
    distance = math.sqrt(square)
    ball_sine = math.sqrt(sphere) / distance
    ball_cosine = math.sqrt(max(1.0 - ball_sine * ball_sine, 0.0))
    if sine * ball_cosine + cosine * ball_sine < 0.0:  # together more than half a turn
        return True
    return bool(x * ax + y * ay + z * az >= distance * (cosine * ball_cosine - sine * ball_sine))


@compiled
def in_sight(rows: F32, eye: F64, cone: F32, c: float, s: float, smallest_rad: float, farthest_m: float) -> I64:
    """Indices of the shapes (n, COLUMNS) that a view can show.

    Args:
        rows: shapes in the world.
        eye: (3,) the camera.
        cone: (5,) around all rays, in base_link.
        c: cosine of the car's yaw.
        s: sine of the car's yaw.
        smallest_rad: shapes whose bounding sphere looks smaller are left out.
        farthest_m: as are those farther away.
    """
    out = np.empty(len(rows), np.int64)
    n = 0
    ax, ay = c * cone[0] - s * cone[1], s * cone[0] + c * cone[1]
    for i in range(len(rows)):
        x, y, z, radius = rows[i, CX] - eye[0], rows[i, CY] - eye[1], rows[i, CZ] - eye[2], rows[i, RADIUS]
        limit = min(2.0 * radius / smallest_rad, farthest_m) + radius
        if x * x + y * y + z * z < limit * limit and _touches(x, y, z, radius * radius, ax, ay, cone[2], cone[3], cone[4]):
            out[n] = i
            n += 1
    return out[:n]


@compiled_parallel
def _fill(seen: F64, tiles: F32, blocks: F32, rows: int, columns: int, c: float, s: float, counts: I32, lists: I32) -> None:
    capacity = lists.shape[1]
    across = (columns + BLOCK - 1) // BLOCK
    for block in prange(len(blocks)):
        cone = blocks[block]
        ax, ay = c * cone[0] - s * cone[1], s * cone[0] + c * cone[1]
        mine = np.empty(len(seen), np.int32)
        n = 0
        for i in range(len(seen)):
            if _touches(seen[i, TO_X], seen[i, TO_Y], seen[i, TO_Z], seen[i, SPHERE], ax, ay, cone[2], cone[3], cone[4]):
                mine[n] = i
                n += 1
        for ty in range(block // across * BLOCK, min(block // across * BLOCK + BLOCK, rows)):
            for tx in range(block % across * BLOCK, min(block % across * BLOCK + BLOCK, columns)):
                tile = ty * columns + tx
                own = tiles[tile]
                bx, by = c * own[0] - s * own[1], s * own[0] + c * own[1]
                k = 0
                for j in range(n):
                    i = mine[j]
                    if _touches(seen[i, TO_X], seen[i, TO_Y], seen[i, TO_Z], seen[i, SPHERE], bx, by, own[2], own[3], own[4]):
                        if k < capacity:
                            lists[tile, k] = i
                        k += 1
                counts[tile] = k


class TileLists:
    """Lists of shapes per tile; room grows with the fullest one."""

    def __init__(self, cones: Cones) -> None:
        self._cones = cones
        self.counts: I32 = np.zeros(len(cones.tiles), np.int32)
        self.lists: I32 = np.zeros((len(cones.tiles), 64), np.int32)

    def fill(self, seen: F64, c: float, s: float) -> None:
        """Sorts `seen` (n, SEEN) into the tiles, in its order; (c, s) turns base_link into the world."""
        cones = self._cones
        while True:
            _fill(seen, cones.tiles, cones.blocks, cones.rows, cones.columns, c, s, self.counts, self.lists)
            most = int(self.counts.max(initial=0))
            if most <= self.lists.shape[1]:
                return
            self.lists = np.zeros((len(cones.tiles), 2 ** (most - 1).bit_length()), np.int32)
