"""Lenses: points in a camera's optical frame ↔ pixels, with the distortion models that ROS names.

Optical frame: x right, y down, z forward. Pixel centres lie at integers: the image covers [-0.5, width - 0.5] x [-0.5, height - 0.5].
The models are those of OpenCV (`calib3d`: pinhole with 5 or 8 coefficients, `fisheye` with 4), so its calibrations can be used as they are.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from heron_core.arrays import read_only

Array = NDArray[np.float64]


class LensModel(str, Enum):
    """Names as in sensor_msgs/CameraInfo.distortion_model."""

    PLUMB_BOB = "plumb_bob"
    RATIONAL = "rational_polynomial"
    EQUIDISTANT = "equidistant"


COEFFICIENTS = {LensModel.PLUMB_BOB: 5, LensModel.RATIONAL: 8, LensModel.EQUIDISTANT: 4}
# A pinhole image of a ray at 90° is at infinity; the last half degree is of no use and costs precision.
_PINHOLE_LIMIT_RAD = math.radians(89.5)
_TABLE = 8192  # steps of the radial table; Newton refines from there


@dataclass(frozen=True)
class Lens:
    """Intrinsics of one camera.

    Attributes:
        model: distortion model.
        width, height: image size in pixels.
        fx, fy, cx, cy: focal lengths and principal point in pixels.
        distortion: plumb_bob k1 k2 p1 p2 k3; rational_polynomial k1 k2 p1 p2 k3 k4 k5 k6; equidistant k1 k2 k3 k4.

    Raises:
        ValueError: no real lens has this calibration; the text says what is impossible.
    """

    model: LensModel
    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", LensModel(self.model))
        object.__setattr__(self, "distortion", tuple(float(value) for value in self.distortion))
        fault = self._fault()
        if fault:
            raise ValueError(f"impossible calibration: {fault}")

    def _fault(self) -> str | None:
        if not all(math.isfinite(value) for value in (self.fx, self.fy, self.cx, self.cy, *self.distortion)):
            return f"k [{self.fx}, {self.fy}, {self.cx}, {self.cy}], d {list(self.distortion)} must all be finite numbers"
        if self.width < 1 or self.height < 1:
            return f"image size {self.width}x{self.height} must be positive"
        if self.fx <= 0 or self.fy <= 0:
            return f"focal lengths fx {self.fx} and fy {self.fy} must be positive"
        if not 0.25 <= self.fx / self.fy <= 4.0:
            return f"focal lengths fx {self.fx} and fy {self.fy} differ more than fourfold"
        if not (-self.width <= self.cx <= 2 * self.width and -self.height <= self.cy <= 2 * self.height):
            return f"principal point ({self.cx}, {self.cy}) lies far outside the {self.width}x{self.height} image"
        if len(self.distortion) != COEFFICIENTS[self.model]:
            return f"{self.model.value} takes {COEFFICIENTS[self.model]} coefficients, not {len(self.distortion)}"
        return self._folding()

    def _folding(self) -> str | None:
        """A pinhole lens must be one to one over the whole image; a fisheye may leave corners dark: it must fill the shorter side or see 90°."""
        reach = float(self._radii[-1])
        left, right = (-0.5 - self.cx) / self.fx, (self.width - 0.5 - self.cx) / self.fx
        top, bottom = (-0.5 - self.cy) / self.fy, (self.height - 0.5 - self.cy) / self.fy
        if self.model is LensModel.EQUIDISTANT:
            if self.field_rad >= math.pi / 2:  # a circular image that ends inside the frame
                return None
            needed = min(max(-left, right), max(-top, bottom))
        else:
            needed = math.hypot(max(-left, right), max(-top, bottom))
        if reach >= needed:
            return None
        return (
            f"the distortion {list(self.distortion)} turns back on itself at {math.degrees(self.field_rad):.1f}° from the axis, "
            f"{reach * self.fx:.0f} px from the principal point and inside the {self.width}x{self.height} image"
        )

    @property
    def k(self) -> Array:
        """(3, 3) camera matrix in pixels."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def field_rad(self) -> float:
        """Largest angle from the optical axis up to which the lens maps one to one (radial part)."""
        return float(self._angles[-1])

    def project(self, points: Array) -> Array:
        """Pixels of points in the optical frame.

        Args:
            points: (n, 3), any scale.

        Returns:
            (n, 2) u, v; also outside the image (see `contains`). NaN beyond the lens's field, and for points at its centre.
        """
        xyz = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        side = np.hypot(xyz[:, 0], xyz[:, 1])
        angle = np.arctan2(side, xyz[:, 2])
        seen = (angle <= self.field_rad) & ((side > 0) | (xyz[:, 2] > 0))
        pixels = np.full((len(xyz), 2), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.model is LensModel.EQUIDISTANT:
                scale = np.where(side > 0, self._radius(angle) / np.where(side > 0, side, 1.0), 0.0)
                plane = xyz[:, :2] * scale[:, None]
            else:
                plane = self._distort(xyz[:, :2] / xyz[:, 2:])
        pixels[seen] = plane[seen] * (self.fx, self.fy) + (self.cx, self.cy)
        return pixels

    def unproject(self, pixels: Array) -> Array:
        """Unit rays in the optical frame.

        Args:
            pixels: (n, 2) u, v.

        Returns:
            (n, 3); rays of a fisheye may point backwards. NaN where no ray of the lens's field reaches the pixel.
        """
        distorted = (np.asarray(pixels, dtype=np.float64).reshape(-1, 2) - (self.cx, self.cy)) / (self.fx, self.fy)
        angle, direction = self._invert_radial(distorted)
        if self.model is not LensModel.EQUIDISTANT and any(self.distortion[2:4]):
            angle, direction = self._invert_tangential(distorted, angle, direction)
        sine = np.sin(angle)
        return np.stack([direction[:, 0] * sine, direction[:, 1] * sine, np.cos(angle)], axis=1)

    def contains(self, pixels: Array) -> NDArray[np.bool_]:
        """(n,) whether pixels (n, 2) lie inside the image; False for NaN."""
        u, v = pixels[:, 0], pixels[:, 1]
        return (u >= -0.5) & (u < self.width - 0.5) & (v >= -0.5) & (v < self.height - 0.5)

    def scaled(self, factor: float) -> Lens:
        """The lens of the same picture at `factor` times the resolution; parts of pixels at the edges count whole, as in JPEG decoders."""
        return dataclasses.replace(
            self,
            width=math.ceil(self.width * factor - 1e-9),
            height=math.ceil(self.height * factor - 1e-9),
            fx=self.fx * factor,
            fy=self.fy * factor,
            cx=(self.cx + 0.5) * factor - 0.5,
            cy=(self.cy + 0.5) * factor - 0.5,
        )

    def _radius(self, angle: Array) -> Array:
        """Distorted radius on the plane z = 1 of rays at `angle` from the axis, radial part only."""
        d = self.distortion
        if self.model is LensModel.EQUIDISTANT:
            t = angle * angle
            return angle * (1.0 + t * (d[0] + t * (d[1] + t * (d[2] + t * d[3]))))
        r = np.tan(angle)
        return r * self._radial_gain(r * r)

    def _radial_gain(self, s: Array) -> Array:
        d = self.distortion
        gain = 1.0 + s * (d[0] + s * (d[1] + s * d[4]))
        if self.model is LensModel.RATIONAL:
            gain = gain / (1.0 + s * (d[5] + s * (d[6] + s * d[7])))
        return gain

    def _distort(self, plane: Array) -> Array:
        """Pinhole models: (n, 2) on the plane z = 1, distorted."""
        s = (plane * plane).sum(axis=1)
        distorted: Array = plane * self._radial_gain(s)[:, None] + self._tangential(plane, s)
        return distorted

    def _tangential(self, plane: Array, s: Array) -> Array:
        p1, p2 = self.distortion[2:4]
        x, y = plane[:, 0], plane[:, 1]
        return np.stack([2 * p1 * x * y + p2 * (s + 2 * x * x), p1 * (s + 2 * y * y) + 2 * p2 * x * y], axis=1)

    @cached_property
    def _angles(self) -> Array:
        """Angles of the radial table, from the axis to the end of the first monotone stretch."""
        limit = math.pi if self.model is LensModel.EQUIDISTANT else _PINHOLE_LIMIT_RAD
        angles = np.linspace(0.0, limit, _TABLE)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            steps = np.diff(self._radius(angles))
        falling = np.flatnonzero(~(steps > 0))
        # At least two entries: a lens that folds at once is then refused by `_folding`.
        return read_only(angles[: max(2, falling[0] + 1 if len(falling) else _TABLE)])

    @cached_property
    def _radii(self) -> Array:
        return read_only(self._radius(self._angles))

    def _invert_radial(self, distorted: Array) -> tuple[Array, Array]:
        """(n,) angle from the axis (NaN beyond the field) and (n, 2) direction around it."""
        radius = np.hypot(distorted[:, 0], distorted[:, 1])
        direction = distorted / np.where(radius > 0, radius, 1.0)[:, None]
        angle = np.interp(radius, self._radii, self._angles)
        step = float(self._angles[1]) * 1e-2
        for _ in range(3):  # Newton inside one table step: quadratic, three rounds reach float precision
            low, high = np.maximum(angle - step, 0.0), np.minimum(angle + step, self.field_rad)
            slope = (self._radius(high) - self._radius(low)) / (high - low)
            correction = (self._radius(angle) - radius) / np.maximum(slope, 1e-9)
            angle = np.clip(angle - np.clip(correction, -100 * step, 100 * step), 0.0, self.field_rad)
        return np.where(radius <= self._radii[-1], angle, np.nan), direction

    def _invert_tangential(self, distorted: Array, angle: Array, direction: Array) -> tuple[Array, Array]:
        """Fixed point of 'take the tangential part off, invert the rest'; a ray that does not come back to its pixel is NaN."""
        for _ in range(12):
            plane = direction * np.tan(angle)[:, None]
            offset = self._tangential(plane, (plane * plane).sum(axis=1))
            angle, direction = self._invert_radial(distorted - np.nan_to_num(offset))
        plane = direction * np.tan(angle)[:, None]
        miss = np.abs(self._distort(plane) - distorted).max(axis=1)
        return np.where(miss * self.fx < 1e-3, angle, np.nan), direction
