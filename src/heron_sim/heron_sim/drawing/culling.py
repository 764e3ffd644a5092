"""Which shapes the rays of each tile can meet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.compiled import compiled, compiled_parallel
from heron_sim.drawing.hits import FAR, REACH_X, REACH_Y, REACH_Z, TO_X, TO_Y, TO_Z, TURN_C, TURN_S, WIDE_C, WIDE_S
from heron_sim.drawing.rays import BLOCK, REGION, Cones
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


@compiled
def _meets(seen: F64, i: int, bounds: F32, k: int, c: float, s: float) -> bool:
    """Whether rays inside bound `k` of `Cones`, turned by (c, s), may meet shape `i`: its sphere the cone, and its box the inside of each plane."""
    cosine, sine = float(bounds[k, 3]), float(bounds[k, 4])
    if cosine > 1.5:
        return False
    x, y, z = c * seen[i, TO_X] + s * seen[i, TO_Y], -s * seen[i, TO_X] + c * seen[i, TO_Y], seen[i, TO_Z]
    away, ball_c, ball_s = seen[i, FAR], seen[i, WIDE_C], seen[i, WIDE_S]
    if (
        ball_s < 1.0
        and sine * ball_c + cosine * ball_s >= 0.0  # together less than half a turn
        and x * bounds[k, 0] + y * bounds[k, 1] + z * bounds[k, 2] < away * (cosine * ball_c - sine * ball_s)
    ):
        return False
    turn_c, turn_s = c * seen[i, TURN_C] + s * seen[i, TURN_S], c * seen[i, TURN_S] - s * seen[i, TURN_C]
    for plane in range(5, 17, 3):
        nx, ny, nz = float(bounds[k, plane]), float(bounds[k, plane + 1]), float(bounds[k, plane + 2])
        half = abs(turn_c * nx + turn_s * ny) * seen[i, REACH_X] + abs(turn_c * ny - turn_s * nx) * seen[i, REACH_Y] + abs(nz) * seen[i, REACH_Z]
        if x * nx + y * ny + z * nz > half:
            return False
    return True


@compiled
def _sieve(seen: F64, some: I32, many: int, bounds: F32, k: int, c: float, s: float, out: I32) -> int:
    """Writes to `out` which of the first `many` of `some` (-1: of all shapes) rays inside bound `k` may meet; how many."""
    n = 0
    for j in range(many if many >= 0 else len(seen)):
        i = int(some[j]) if many >= 0 else j
        if _meets(seen, i, bounds, k, c, s):
            out[n] = i
            n += 1
    return n


@compiled_parallel
def _fill(seen: F64, tiles: F32, blocks: F32, regions: F32, rows: int, columns: int, c: float, s: float, counts: I32, lists: I32) -> None:
    capacity = lists.shape[1]
    blocks_across = (columns + BLOCK - 1) // BLOCK
    blocks_down = (rows + BLOCK - 1) // BLOCK
    across = (blocks_across + REGION - 1) // REGION
    for region in prange(len(regions)):
        near, mine = np.empty(len(seen), np.int32), np.empty(len(seen), np.int32)
        many = _sieve(seen, near, -1, regions, region, c, s, mine)
        near[:many] = mine[:many]
        for by in range(region // across * REGION, min(region // across * REGION + REGION, blocks_down)):
            for bx in range(region % across * REGION, min(region % across * REGION + REGION, blocks_across)):
                n = _sieve(seen, near, many, blocks, by * blocks_across + bx, c, s, mine)
                for ty in range(by * BLOCK, min(by * BLOCK + BLOCK, rows)):
                    for tx in range(bx * BLOCK, min(bx * BLOCK + BLOCK, columns)):
                        tile = ty * columns + tx
                        k = 0
                        for j in range(n):
                            if _meets(seen, mine[j], tiles, tile, c, s):
                                if k < capacity:
                                    lists[tile, k] = mine[j]
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
            _fill(seen, cones.tiles, cones.blocks, cones.regions, cones.rows, cones.columns, c, s, self.counts, self.lists)
            most = int(self.counts.max(initial=0))
            if most <= self.lists.shape[1]:
                return
            self.lists = np.zeros((len(cones.tiles), 2 ** (most - 1).bit_length()), np.int32)
