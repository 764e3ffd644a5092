"""Curves that a car can drive: straights joined by turns whose curvature rises, holds and falls linearly (clothoid, arc, clothoid)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from heron_sim.roads.line import F64, Line

_SAMPLES = 481
_RAMPS = (0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05)


def _unit_turn(angle_rad: float, ramp: float) -> tuple[F64, float, float]:
    """A turn by `angle_rad` of length 1 from the origin along x: points (n, 2), length of its tangents, largest curvature."""
    s = np.linspace(0.0, 1.0, _SAMPLES)
    peak = angle_rad / (1.0 - ramp)
    curvature = peak * np.minimum(1.0, np.minimum(s, 1.0 - s) / ramp)
    steps = np.diff(s)
    yaw = np.concatenate([[0.0], np.cumsum((curvature[1:] + curvature[:-1]) / 2.0 * steps)])
    middle = (yaw[1:] + yaw[:-1]) / 2.0
    points = np.concatenate([[[0.0, 0.0]], np.cumsum(np.stack([np.cos(middle), np.sin(middle)], axis=1) * steps[:, None], axis=0)])
    tangent = float(np.hypot(*points[-1])) / (2.0 * math.cos(angle_rad / 2.0))
    return points, tangent, abs(peak)


def turn(angle_rad: float, tangent_m: float, curvature_max: float) -> tuple[F64, float]:
    """The gentlest turn by `angle_rad` (left positive, below pi) between tangents of `tangent_m`.

    Its ramps are as long as `curvature_max` allows; a turn that cannot keep it has the shortest ramps.

    Returns:
        (n, 2) points from the origin, beginning along x; the largest curvature, 1/m, positive.
    """
    points, peak = np.zeros((2, 2)), 0.0
    for ramp in _RAMPS:
        unit, tangent, unit_peak = _unit_turn(angle_rad, ramp)
        scale = tangent_m / tangent
        points, peak = unit * scale, unit_peak / scale
        if peak <= curvature_max:
            break
    return points, peak


def alignment(vertices: F64, tangents_m: Sequence[float], curvature_max: float, step_m: float = 1.0) -> tuple[Line, float]:
    """A road along a polyline whose inner corners are rounded.

    Args:
        vertices: (n, 2) corners, the first and the last are its ends.
        tangents_m: (n - 2,) distance before and after each inner corner within which it turns.
        curvature_max: see `turn`.
        step_m: largest distance between neighbours of the line's points.

    Returns:
        the line; its largest curvature, 1/m.
    """
    pieces, sharpest = [vertices[:1]], 0.0
    for i, tangent in enumerate(tangents_m, start=1):
        before, after = vertices[i] - vertices[i - 1], vertices[i + 1] - vertices[i]
        yaw = math.atan2(before[1], before[0])
        angle = math.remainder(math.atan2(after[1], after[0]) - yaw, 2.0 * math.pi)
        if abs(angle) < 1e-6:
            continue
        points, peak = turn(angle, tangent, curvature_max)
        c, s = math.cos(yaw), math.sin(yaw)
        begin = vertices[i] - tangent * np.array([c, s])
        pieces.append(begin + points @ np.array([[c, s], [-s, c]]))
        sharpest = max(sharpest, peak)
    pieces.append(vertices[-1:])
    return resampled(np.concatenate(pieces), step_m), sharpest


def resampled(points: F64, step_m: float = 1.0) -> Line:
    """A line through finely sampled points (n, 2), at equal distances of at most `step_m`; both ends exact."""
    lengths = np.hypot(*np.diff(points, axis=0).T)
    keep = np.concatenate([[True], lengths > 1e-9])
    points, s = points[keep], np.concatenate([[0.0], np.cumsum(lengths[lengths > 1e-9])])
    at = np.linspace(0.0, s[-1], max(math.ceil(s[-1] / step_m), 2) + 1)
    out = np.stack([np.interp(at, s, points[:, 0]), np.interp(at, s, points[:, 1])], axis=1)
    out[0], out[-1] = points[0], points[-1]
    return Line(out)


def part(line: Line, begin_m: float, end_m: float, left_m: float = 0.0, step_m: float = 1.0) -> Line:
    """The line beside `line`, `left_m` to its left, between two of its arc lengths; backwards if `end_m` is less."""
    at = np.linspace(begin_m, end_m, max(math.ceil(abs(end_m - begin_m) / step_m), 2) + 1)
    poses = line.poses(at)
    return Line(poses[:, :2] + left_m * np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=1))


def band(line: Line, begin_m: float, end_m: float, right_m: float, left_m: float, step_m: float = 1.0) -> F64:
    """(n, 2) the area beside `line` between two arc lengths and two distances from it (left positive), counter-clockwise."""
    poses = line.poses(np.linspace(begin_m, end_m, max(math.ceil(abs(end_m - begin_m) / step_m), 1) + 1))
    normal = np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=1)
    return np.concatenate([poses[:, :2] + right_m * normal, (poses[:, :2] + left_m * normal)[::-1]])


def straight(x_m: float, y_m: float, yaw_rad: float, length_m: float) -> Line:
    """A straight line."""
    along = np.linspace(0.0, length_m, max(math.ceil(length_m), 2) + 1)
    return Line(np.stack([x_m + along * math.cos(yaw_rad), y_m + along * math.sin(yaw_rad)], axis=1))


def joined(begin: tuple[float, float, float], end: tuple[float, float, float], curvature_max: float, step_m: float = 0.5) -> tuple[Line, float]:
    """The way from one pose (x, y, yaw) to another across a junction; its largest curvature, 1/m.

    A turn between the two tangents where they meet ahead of the first and behind the second.
    Else (straight on, or a small shift) a quintic curve without curvature at its ends.
    """
    p, q = np.array(begin[:2]), np.array(end[:2])
    u, v = np.array([math.cos(begin[2]), math.sin(begin[2])]), np.array([math.cos(end[2]), math.sin(end[2])])
    cross = u[0] * v[1] - u[1] * v[0]
    if abs(cross) > math.sin(math.radians(12.0)):
        gap = q - p
        ahead, behind = (gap[0] * v[1] - gap[1] * v[0]) / cross, (gap[0] * u[1] - gap[1] * u[0]) / cross
        if ahead > 0.5 and -behind > 0.5:
            corner = p + ahead * u
            tangent = min(ahead, -behind) - 0.05
            return alignment(np.stack([p, corner, q]), [tangent], curvature_max, step_m)
    reach = float(np.hypot(*(q - p)))
    t = np.linspace(0.0, 1.0, _SAMPLES)[:, None]
    a, b = reach * u, reach * v
    points = (
        p
        + a * t
        + (10.0 * (q - p) - 6.0 * a - 4.0 * b) * t**3
        + (-15.0 * (q - p) + 8.0 * a + 7.0 * b) * t**4
        + (6.0 * (q - p) - 3.0 * (a + b)) * t**5
    )
    line = resampled(points, step_m)
    return line, float(np.abs(line.curvature_per_m).max())
