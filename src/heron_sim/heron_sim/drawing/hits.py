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
TO_X, TO_Y, TO_Z = 0, 1, 2  # from the camera to the middle, world axes
MISS = 3  # squared distance of the middle less squared radius of the bounding sphere
NEAREST = 4  # no point of the shape is nearer to the camera
FAR, WIDE_C, WIDE_S = 5, 6, 7  # distance of the middle; cosine and sine of the angle under which the bounding sphere's radius is seen
KIND = 8  # CUBOID … ROUND below
TURN_C, TURN_S = 9, 10
EYE_X, EYE_Y, EYE_Z = 11, 12, 13  # the camera in the shape's axes, from its middle
SIZE_X, SIZE_Y, SIZE_Z = 14, 15, 16
LEAN_F, LEAN_R, LEAN_S = 17, 18, 19
REACH_X, REACH_Y, REACH_Z = 20, 21, 22  # half sizes of a box around the shape, in its axes
SEEN = 24  # one unused: rows of whole cache lines

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
        reach_x, reach_y, reach_z = float(row[HX]), float(row[HY]), float(row[HZ])
        if kind == FRUSTUM:  # where it leans outwards
            reach_x += 2.0 * reach_z * max(0.0, -row[TAPER_FRONT], -row[TAPER_REAR])
            reach_y += 2.0 * reach_z * max(0.0, -row[TAPER_SIDE])
        elif kind == UPRIGHT:
            reach_y = reach_x
        elif kind == LYING:
            reach_x, reach_y, reach_z = reach_z, reach_x, reach_x
        reach_x, reach_y, reach_z = reach_x * 1.0001 + 1e-4, reach_y * 1.0001 + 1e-4, reach_z * 1.0001 + 1e-4
        seen[REACH_X], seen[REACH_Y], seen[REACH_Z] = reach_x, reach_y, reach_z
        radius = row[RADIUS] * 1.0001
        square = x * x + y * y + z * z
        away = math.sqrt(square)
        seen[MISS] = square - radius * radius
        seen[FAR] = away
        seen[WIDE_S] = min(radius / (away + 1e-9), 1.0)
        seen[WIDE_C] = math.sqrt(1.0 - seen[WIDE_S] * seen[WIDE_S])
        u = max(abs(seen[EYE_X]) - reach_x, 0.0)
        v = max(abs(seen[EYE_Y]) - reach_y, 0.0)
        w = max(abs(z) - reach_z, 0.0)
        seen[NEAREST] = max(away - radius, math.sqrt(u * u + v * v + w * w))
    return out


@compiled
def _cuboid(p: F64, i: int, a: float, b: float, g: float) -> tuple[float, int]:
    # A direction in a face's plane is turned out of it by next to nothing.
    a = a if abs(a) > 1e-12 else 1e-12
    b = b if abs(b) > 1e-12 else 1e-12
    g = g if abs(g) > 1e-12 else 1e-12
    inverse, eye, half = 1.0 / a, p[i, EYE_X], math.copysign(p[i, SIZE_X], a)
    near, far, face = (-half - eye) * inverse, (half - eye) * inverse, 1 if a > 0.0 else 0
    inverse, eye, half = 1.0 / b, p[i, EYE_Y], math.copysign(p[i, SIZE_Y], b)
    t, u = (-half - eye) * inverse, (half - eye) * inverse
    if t > near:
        near, face = t, 3 if b > 0.0 else 2
    far = min(far, u)
    inverse, eye, half = 1.0 / g, p[i, EYE_Z], math.copysign(p[i, SIZE_Z], g)
    t, u = (-half - eye) * inverse, (half - eye) * inverse
    if t > near:
        near, face = t, 5 if g > 0.0 else 4
    far = min(far, u)
    if near > far or near <= _NEAR_M:
        return NO_HIT, 0
    return near, face


@compiled
def _frustum(p: F64, i: int, a: float, b: float, g: float) -> tuple[float, int]:
    x, y, z = p[i, EYE_X], p[i, EYE_Y], p[i, EYE_Z]
    rise = z + p[i, SIZE_Z]
    near, far, face = -NO_HIT, NO_HIT, 0
    for k in range(6):
        if k == 0:
            speed, room = a + p[i, LEAN_F] * g, p[i, SIZE_X] - x - p[i, LEAN_F] * rise
        elif k == 1:
            speed, room = -a + p[i, LEAN_R] * g, p[i, SIZE_X] + x - p[i, LEAN_R] * rise
        elif k == 2:
            speed, room = b + p[i, LEAN_S] * g, p[i, SIZE_Y] - y - p[i, LEAN_S] * rise
        elif k == 3:
            speed, room = -b + p[i, LEAN_S] * g, p[i, SIZE_Y] + y - p[i, LEAN_S] * rise
        elif k == 4:
            speed, room = g, p[i, SIZE_Z] - z
        else:
            speed, room = -g, p[i, SIZE_Z] + z
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
def _cylinder(p: F64, i: int, a: float, b: float, g: float) -> tuple[float, int]:
    x, y, z = p[i, EYE_X], p[i, EYE_Y], p[i, EYE_Z]
    if int(p[i, KIND]) == LYING:
        x, z, a, g = z, x, g, a
    half, radius = p[i, SIZE_Z], p[i, SIZE_X]
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
def _round(p: F64, i: int, a: float, b: float, g: float) -> tuple[float, int]:
    ix, iy, iz = 1.0 / p[i, SIZE_X], 1.0 / p[i, SIZE_Y], 1.0 / p[i, SIZE_Z]
    x, y, z, a, b, g = p[i, EYE_X] * ix, p[i, EYE_Y] * iy, p[i, EYE_Z] * iz, a * ix, b * iy, g * iz
    qa, qb, qc = a * a + b * b + g * g, x * a + y * b + z * g, x * x + y * y + z * z - 1.0
    root = qb * qb - qa * qc
    if root < 0.0:
        return NO_HIT, 0
    t = (-qb - math.sqrt(root)) / qa
    return (t, 0) if t > _NEAR_M else (NO_HIT, 0)


@compiled
def hit(p: F64, i: int, dx: float, dy: float, dz: float) -> tuple[float, int]:
    """Distance to shape `i` of `p` (n, SEEN) along a unit direction of the world, NO_HIT without one, and the number of the face."""
    c, s = p[i, TURN_C], p[i, TURN_S]
    a, b = c * dx + s * dy, -s * dx + c * dy
    kind = int(p[i, KIND])
    if kind == CUBOID:
        return _cuboid(p, i, a, b, dz)
    if kind == FRUSTUM:
        return _frustum(p, i, a, b, dz)
    if kind == ROUND:
        return _round(p, i, a, b, dz)
    return _cylinder(p, i, a, b, dz)


@compiled
def normal(p: F64, i: int, face: int, lx: float, ly: float, lz: float) -> Three:
    """Outward normal of shape `i`, of any length, in the shape's axes, at the place (lx, ly, lz) of its face."""
    kind = int(p[i, KIND])
    if kind == CUBOID:
        sign = 1.0 if face % 2 == 0 else -1.0
        return (sign if face < 2 else 0.0), (sign if face // 2 == 1 else 0.0), (sign if face >= 4 else 0.0)
    if kind == FRUSTUM:
        if face == 0:
            return 1.0, 0.0, p[i, LEAN_F]
        if face == 1:
            return -1.0, 0.0, p[i, LEAN_R]
        if face == 2:
            return 0.0, 1.0, p[i, LEAN_S]
        if face == 3:
            return 0.0, -1.0, p[i, LEAN_S]
        return 0.0, 0.0, 1.0 if face == 4 else -1.0
    if kind == ROUND:
        return lx / (p[i, SIZE_X] * p[i, SIZE_X]), ly / (p[i, SIZE_Y] * p[i, SIZE_Y]), lz / (p[i, SIZE_Z] * p[i, SIZE_Z])
    end = 0.0 if face == 0 else (1.0 if face == 1 else -1.0)
    if kind == LYING:
        return (end, 0.0, 0.0) if face else (0.0, ly, lz)
    return (0.0, 0.0, end) if face else (lx, ly, 0.0)
