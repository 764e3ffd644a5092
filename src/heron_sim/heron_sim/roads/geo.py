"""From the world's metres to WGS84 and back, exactly (through Earth-centred coordinates)."""

from __future__ import annotations

import math

import numpy as np

from heron_sim.roads.line import F64
from heron_sim.roads.town import GeoOrigin

# WGS84, NIMA TR8350.2.
SEMI_MAJOR_M = 6378137.0
FLATTENING = 1.0 / 298.257223563
_E2 = FLATTENING * (2.0 - FLATTENING)
_SEMI_MINOR_M = SEMI_MAJOR_M * (1.0 - FLATTENING)


def to_ecef(latitude_deg: float, longitude_deg: float, altitude_m: float) -> F64:
    """(3,) Earth-centred, Earth-fixed metres of a place; altitude above the ellipsoid."""
    lat, lon = math.radians(latitude_deg), math.radians(longitude_deg)
    normal = SEMI_MAJOR_M / math.sqrt(1.0 - _E2 * math.sin(lat) ** 2)
    across = (normal + altitude_m) * math.cos(lat)
    return np.array([across * math.cos(lon), across * math.sin(lon), (normal * (1.0 - _E2) + altitude_m) * math.sin(lat)])


def from_ecef(place: F64) -> tuple[float, float, float]:
    """Latitude (deg), longitude (deg) and altitude (m) of Earth-centred metres; Bowring's start and Newton-like steps to full precision."""
    x, y, z = (float(v) for v in place)
    across = math.hypot(x, y)
    start = math.atan2(z * SEMI_MAJOR_M, across * _SEMI_MINOR_M)
    second = _E2 / (1.0 - _E2)
    lat = math.atan2(z + second * _SEMI_MINOR_M * math.sin(start) ** 3, across - _E2 * SEMI_MAJOR_M * math.cos(start) ** 3)
    for _ in range(3):
        normal = SEMI_MAJOR_M / math.sqrt(1.0 - _E2 * math.sin(lat) ** 2)
        lat = math.atan2(z + _E2 * normal * math.sin(lat), across)
    normal = SEMI_MAJOR_M / math.sqrt(1.0 - _E2 * math.sin(lat) ** 2)
    height = across * math.cos(lat) + z * math.sin(lat) - normal * (1.0 - _E2 * math.sin(lat) ** 2)
    return math.degrees(lat), math.degrees(math.atan2(y, x)), height


class LocalFrame:
    """East, north, up in metres at a place on Earth: the world's frame."""

    def __init__(self, origin: GeoOrigin) -> None:
        """At `origin`, which becomes (0, 0, 0).

        Raises:
            ValueError: no such place.
        """
        if not (-90.0 <= origin.latitude_deg <= 90.0 and -180.0 <= origin.longitude_deg <= 180.0 and math.isfinite(origin.altitude_m)):
            raise ValueError(f"no place on Earth: {origin}; latitude -90 .. 90, longitude -180 .. 180, finite altitude")
        self.origin = origin
        lat, lon = math.radians(origin.latitude_deg), math.radians(origin.longitude_deg)
        self._origin = to_ecef(origin.latitude_deg, origin.longitude_deg, origin.altitude_m)
        # Rows: east, north, up in Earth-centred axes.
        self._axes = np.array(
            [
                [-math.sin(lon), math.cos(lon), 0.0],
                [-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat)],
                [math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)],
            ]
        )

    def to_wgs84(self, x_m: float, y_m: float, z_m: float = 0.0) -> tuple[float, float, float]:
        """Latitude (deg), longitude (deg), altitude above the ellipsoid (m) of a place of the world.

        The world is flat: a kilometre from the origin its ground lies 8 cm above the ellipsoid's.
        """
        return from_ecef(self._origin + self._axes.T @ np.array([x_m, y_m, z_m]))

    def to_local(self, latitude_deg: float, longitude_deg: float, altitude_m: float = 0.0) -> tuple[float, float, float]:
        """X east, y north, z up (m) of a place on Earth."""
        x, y, z = self._axes @ (to_ecef(latitude_deg, longitude_deg, altitude_m) - self._origin)
        return float(x), float(y), float(z)
