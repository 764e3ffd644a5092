"""Map projections of imported networks: transverse Mercator (and UTM) on WGS84."""

from __future__ import annotations

import math

from heron_sim.roads.geo import FLATTENING, SEMI_MAJOR_M

_N = FLATTENING / (2.0 - FLATTENING)
_E = math.sqrt(FLATTENING * (2.0 - FLATTENING))
_RADIUS_M = SEMI_MAJOR_M / (1.0 + _N) * (1.0 + _N**2 / 4.0 + _N**4 / 64.0)
# Krüger's series to n^4: micrometres within a UTM zone
# (C. F. F. Karney, Transverse Mercator with an accuracy of a few nanometers, 2011, equations 35 and 36).
_FORWARD = (
    _N / 2.0 - 2.0 * _N**2 / 3.0 + 5.0 * _N**3 / 16.0 + 41.0 * _N**4 / 180.0,
    13.0 * _N**2 / 48.0 - 3.0 * _N**3 / 5.0 + 557.0 * _N**4 / 1440.0,
    61.0 * _N**3 / 240.0 - 103.0 * _N**4 / 140.0,
    49561.0 * _N**4 / 161280.0,
)
_INVERSE = (
    _N / 2.0 - 2.0 * _N**2 / 3.0 + 37.0 * _N**3 / 96.0 - _N**4 / 360.0,
    _N**2 / 48.0 + _N**3 / 15.0 - 437.0 * _N**4 / 1440.0,
    17.0 * _N**3 / 480.0 - 37.0 * _N**4 / 840.0,
    4397.0 * _N**4 / 161280.0,
)


class TransverseMercator:
    """Easting and northing (m) of places on WGS84."""

    def __init__(self, longitude_deg: float, latitude_deg: float = 0.0, scale: float = 1.0, east_m: float = 0.0, north_m: float = 0.0) -> None:
        """With central meridian and origin, scale on the meridian, false easting and northing."""
        self._lon, self._scale, self._east_m, self._north_m = math.radians(longitude_deg), scale, east_m, north_m
        self._start = 0.0
        self._start = (self.forward(latitude_deg, longitude_deg)[1] - north_m) / (scale * _RADIUS_M)

    @classmethod
    def utm(cls, zone: int, south: bool = False) -> TransverseMercator:
        """The UTM zone 1 … 60."""
        return cls(6.0 * zone - 183.0, 0.0, 0.9996, 500000.0, 10000000.0 if south else 0.0)

    def forward(self, latitude_deg: float, longitude_deg: float) -> tuple[float, float]:
        """Easting and northing of a place."""
        tau, lon = math.tan(math.radians(latitude_deg)), math.radians(longitude_deg) - self._lon
        conformal = _conformal(tau)
        xi = math.atan2(conformal, math.cos(lon))
        eta = math.asinh(math.sin(lon) / math.hypot(conformal, math.cos(lon)))
        north = xi + sum(a * math.sin(2.0 * j * xi) * math.cosh(2.0 * j * eta) for j, a in enumerate(_FORWARD, start=1))
        east = eta + sum(a * math.cos(2.0 * j * xi) * math.sinh(2.0 * j * eta) for j, a in enumerate(_FORWARD, start=1))
        factor = self._scale * _RADIUS_M
        return self._east_m + factor * east, self._north_m + factor * (north - self._start)

    def inverse(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Latitude and longitude (deg) of a place."""
        factor = self._scale * _RADIUS_M
        north, east = (north_m - self._north_m) / factor + self._start, (east_m - self._east_m) / factor
        xi = north - sum(b * math.sin(2.0 * j * north) * math.cosh(2.0 * j * east) for j, b in enumerate(_INVERSE, start=1))
        eta = east - sum(b * math.cos(2.0 * j * north) * math.sinh(2.0 * j * east) for j, b in enumerate(_INVERSE, start=1))
        wanted = math.sin(xi) / math.hypot(math.sinh(eta), math.cos(xi))
        tau = wanted
        for _ in range(6):  # Newton (Karney, eqs. 19 to 21)
            missing = wanted - _conformal(tau)
            tau += missing * (1.0 + (1.0 - _E**2) * tau**2) / ((1.0 - _E**2) * math.hypot(1.0, tau) * math.hypot(1.0, _conformal(tau)))
        return math.degrees(math.atan(tau)), math.degrees(self._lon + math.atan2(math.sinh(eta), math.cos(xi)))


def _conformal(tau: float) -> float:
    """Tangent of the conformal latitude from the tangent of the latitude."""
    sigma = math.sinh(_E * math.atanh(_E * tau / math.hypot(1.0, tau)))
    return tau * math.hypot(1.0, sigma) - sigma * math.hypot(1.0, tau)


def projection_of(parameters: str) -> TransverseMercator | None:
    """The projection that a PROJ string such as `+proj=utm +zone=54 +ellps=WGS84` names; None for `!` (no georeference).

    Raises:
        ValueError: another projection or ellipsoid; the text says which are read.
    """
    if parameters.strip() in ("", "!"):
        return None
    values = dict(part.lstrip("+").partition("=")[::2] for part in parameters.split())
    if values.get("proj") not in ("utm", "tmerc"):
        raise ValueError(f"projection {parameters!r} is not read: utm and tmerc are, and '!' for none")
    if values.get("ellps", "WGS84") not in ("WGS84", "GRS80") or values.get("datum", "WGS84") != "WGS84" or values.get("units", "m") != "m":
        raise ValueError(f"projection {parameters!r}: only metres on WGS84 (or GRS80) are read")
    try:
        if values["proj"] == "utm":
            zone = int(values.get("zone", ""))
            if not 1 <= zone <= 60:
                raise ValueError(f"zone {zone}")
            return TransverseMercator.utm(zone, "south" in values)
        numbers = {name: float(values.get(name, default)) for name, default in (("lon_0", 0), ("lat_0", 0), ("x_0", 0), ("y_0", 0))}
        scale = float(values.get("k", values.get("k_0", 1.0)))
    except ValueError as error:
        raise ValueError(f"projection {parameters!r}: {error}") from None
    return TransverseMercator(numbers["lon_0"], numbers["lat_0"], scale, numbers["x_0"], numbers["y_0"])
