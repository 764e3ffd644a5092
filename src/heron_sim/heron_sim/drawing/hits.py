"""Where a ray meets a shape. All in the shape's own axes, scaled to nothing: distances stay metres along the ray."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heron_sim.drawing.compiled import compiled
from heron_sim.drawing.shapes import COS, CX, CY, CZ, F32, FORM, HX, HY, HZ, RADIUS, SIN, TAPER_FRONT, TAPER_REAR, TAPER_SIDE, Form

F64 = NDArray[np.float64]
Three = tuple[float, float, float]

# Columns of a shape as one camera sees it.
KIND = 0  # CUBOID … ROUND below
EYE_X, EYE_Y, EYE_Z = 1, 2, 3  # the camera in the shape's axes, from its middle
TURN_C, TURN_S = 4, 5
SIZE_X, SIZE_Y, SIZE_Z = 6, 7, 8
LEAN_F, LEAN_R, LEAN_S = 9, 10, 11
TO_X, TO_Y, TO_Z = 12, 13, 14  # from the camera to the middle, world axes
SPHERE = 15  # squared radius of the bounding sphere
NEAREST = 16  # no point of the shape is nearer to the camera
SEEN = 17

CUBOID, FRUSTUM, UPRIGHT, LYING, ROUND = 0, 1, 2, 3, 4
_BOX, _CYLINDER = int(Form.BOX), int(Form.CYLINDER)
_NEAR_M = 0.05  # nothing nearer to the lens than this is seen
NO_HIT = 1e30


@compiled
def seen_from(rows: F32, ex: float, ey: float, ez: float) -> F64:
    """Shapes (n, COLUMNS) as a camera at (ex, ey, ez) sees them: (n, SEEN)."""
    out = np.empty((len(rows), SEEN), np.float64)
    for i in range(len(rows)):
        row, seen = rows[i], out[i]
        form = int(row[FORM])
        lean = row[TAPER_FRONT] != 0.0 or row[TAPER_REAR] != 0.0 or row[TAPER_SIDE] != 0.0
        if form == _BOX:
            kind = FRUSTUM if lean else CUBOID
        elif form == _CYLINDER:
            kind = LYING if row[TAPER_FRONT] > 0.5 else UPRIGHT
        else:
            kind = ROUND
        x, y, z = ex - row[CX], ey - row[CY], ez - row[CZ]
        c, s = row[COS], row[SIN]
        seen[KIND] = kind
        seen[EYE_X], seen[EYE_Y], seen[EYE_Z] = c * x + s * y, -s * x + c * y, z
        seen[TURN_C], seen[TURN_S] = c, s
        seen[SIZE_X], seen[SIZE_Y], seen[SIZE_Z] = row[HX], row[HY], row[HZ]
        seen[LEAN_F], seen[LEAN_R], seen[LEAN_S] = row[TAPER_FRONT], row[TAPER_REAR], row[TAPER_SIDE]
        seen[TO_X], seen[TO_Y], seen[TO_Z] = -x, -y, -z
        radius = row[RADIUS] * 1.0001
        seen[SPHERE] = radius * radius
        seen[NEAREST] = math.sqrt(x * x + y * y + z * z) - radius
    return out


@compiled
def _cuboid(p: F64, a: float, b: float, g: float) -> tuple[float, int]:
    near, far, face = -NO_HIT, NO_HIT, 0
    for axis in range(3):
        d = a if axis == 0 else (b if axis == 1 else g)
        eye, half = p[EYE_X + axis], p[SIZE_X + axis]
        if abs(d) < 1e-9:
            if abs(eye) > half:
                return NO_HIT, 0
            continue
        inverse = 1.0 / d
        t = (-half - eye) * inverse if d > 0.0 else (half - eye) * inverse
        if t > near:
            near = t
            face = 2 * axis + (1 if d > 0.0 else 0)
        far = min(far, ((half - eye) if d > 0.0 else (-half - eye)) * inverse)
    if near > far or near <= _NEAR_M:
        return NO_HIT, 0
    return near, face


@compiled
def _frustum(p: F64, a: float, b: float, g: float) -> tuple[float, int]:
    x, y, z = p[EYE_X], p[EYE_Y], p[EYE_Z]
    rise = z + p[SIZE_Z]
    near, far, face = -NO_HIT, NO_HIT, 0
    for k in range(6):
        if k == 0:
            speed, room = a + p[LEAN_F] * g, p[SIZE_X] - x - p[LEAN_F] * rise
        elif k == 1:
            speed, room = -a + p[LEAN_R] * g, p[SIZE_X] + x - p[LEAN_R] * rise
        elif k == 2:
            speed, room = b + p[LEAN_S] * g, p[SIZE_Y] - y - p[LEAN_S] * rise
        elif k == 3:
            speed, room = -b + p[LEAN_S] * g, p[SIZE_Y] + y - p[LEAN_S] * rise
        elif k == 4:
            speed, room = g, p[SIZE_Z] - z
        else:
            speed, room = -g, p[SIZE_Z] + z
        if speed < -1e-9:
            t = room / speed
            if t > near:
                near, face = t, k
        elif speed > 1e-9:
            far = min(far, room / speed)
        elif room < 0.0:
            return NO_HIT, 0
    if near > far or near <= _NEAR_M:
        return NO_HIT, 0
    return near, face


@compiled
def _cylinder(p: F64, a: float, b: float, g: float) -> tuple[float, int]:
    x, y, z = p[EYE_X], p[EYE_Y], p[EYE_Z]
    if int(p[KIND]) == LYING:
        x, z, a, g = z, x, g, a
    half, radius = p[SIZE_Z], p[SIZE_X]
    qa, qb, qc = a * a + b * b, x * a + y * b, x * x + y * y - radius * radius
    root = qb * qb - qa * qc
    if root < 0.0:
        return NO_HIT, 0
    if qa > 1e-12:
        t = (-qb - math.sqrt(root)) / qa
        if t > _NEAR_M and abs(z + t * g) <= half:
            return t, 0
    if abs(g) < 1e-9:
        return NO_HIT, 0
    t = ((half if g < 0.0 else -half) - z) / g
    u, v = x + t * a, y + t * b
    if t <= _NEAR_M or u * u + v * v > radius * radius:
        return NO_HIT, 0
    return t, 1 if g < 0.0 else 2


@compiled
def _round(p: F64, a: float, b: float, g: float) -> tuple[float, int]:
    ix, iy, iz = 1.0 / p[SIZE_X], 1.0 / p[SIZE_Y], 1.0 / p[SIZE_Z]
    x, y, z, a, b, g = p[EYE_X] * ix, p[EYE_Y] * iy, p[EYE_Z] * iz, a * ix, b * iy, g * iz
    qa, qb, qc = a * a + b * b + g * g, x * a + y * b + z * g, x * x + y * y + z * z - 1.0
    root = qb * qb - qa * qc
    if root < 0.0:
        return NO_HIT, 0
    t = (-qb - math.sqrt(root)) / qa
    return (t, 0) if t > _NEAR_M else (NO_HIT, 0)


@compiled
def hit(p: F64, dx: float, dy: float, dz: float) -> tuple[float, int]:
    """Distance to shape `p` (SEEN,) along a unit direction of the world, NO_HIT without one, and the number of the face."""
    c, s = p[TURN_C], p[TURN_S]
    a, b = c * dx + s * dy, -s * dx + c * dy
    kind = int(p[KIND])
    if kind == CUBOID:
        return _cuboid(p, a, b, dz)
    if kind == FRUSTUM:
        return _frustum(p, a, b, dz)
    if kind == ROUND:
        return _round(p, a, b, dz)
    return _cylinder(p, a, b, dz)


@compiled
def normal(p: F64, face: int, lx: float, ly: float, lz: float) -> Three:
    """Outward normal, of any length, in the shape's axes, at the place (lx, ly, lz) of its face."""
    kind = int(p[KIND])
    if kind == CUBOID:
        sign = 1.0 if face % 2 == 0 else -1.0
        return (sign if face < 2 else 0.0), (sign if face // 2 == 1 else 0.0), (sign if face >= 4 else 0.0)
    if kind == FRUSTUM:
        if face == 0:
            return 1.0, 0.0, p[LEAN_F]
        if face == 1:
            return -1.0, 0.0, p[LEAN_R]
        if face == 2:
            return 0.0, 1.0, p[LEAN_S]
        if face == 3:
            return 0.0, -1.0, p[LEAN_S]
        return 0.0, 0.0, 1.0 if face == 4 else -1.0
    if kind == ROUND:
        return lx / (p[SIZE_X] * p[SIZE_X]), ly / (p[SIZE_Y] * p[SIZE_Y]), lz / (p[SIZE_Z] * p[SIZE_Z])
    end = 0.0 if face == 0 else (1.0 if face == 1 else -1.0)
    if kind == LYING:
        return (end, 0.0, 0.0) if face else (0.0, ly, lz)
    return (0.0, 0.0, end) if face else (lx, ly, 0.0)
