"""Places on Earth: local frame, transverse Mercator."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_sim.roads.geo import LocalFrame, from_ecef, to_ecef
from heron_sim.roads.projection import TransverseMercator, projection_of
from heron_sim.roads.town import GeoOrigin

latitudes, longitudes = st.floats(-85.0, 85.0), st.floats(-179.0, 179.0)


def test_earth_centred_coordinates_of_known_places() -> None:
    assert to_ecef(0.0, 0.0, 0.0) == pytest.approx([6378137.0, 0.0, 0.0])
    assert to_ecef(90.0, 0.0, 0.0) == pytest.approx([0.0, 0.0, 6356752.314245], abs=1e-6)
    # Example of the EPSG Guidance Note 7-2 (geographic to geocentric): 53°48'33.82" N, 2°07'46.38" E, 73.0 m
    place = to_ecef(53 + 48 / 60 + 33.82 / 3600, 2 + 7 / 60 + 46.38 / 3600, 73.0)
    assert place == pytest.approx([3771793.968, 140253.342, 5124304.349], abs=1e-3)


@given(latitudes, longitudes, st.floats(-100.0, 9000.0))
@settings(max_examples=100, deadline=None)
def test_earth_centred_coordinates_come_back(latitude: float, longitude: float, altitude: float) -> None:
    back = from_ecef(to_ecef(latitude, longitude, altitude))
    assert back[:2] == pytest.approx((latitude, longitude), abs=1e-11)
    assert back[2] == pytest.approx(altitude, abs=1e-7)


@given(latitudes, longitudes, st.floats(-5000.0, 5000.0), st.floats(-5000.0, 5000.0), st.floats(-10.0, 50.0))
@settings(max_examples=100, deadline=None)
def test_world_places_come_back(latitude: float, longitude: float, x: float, y: float, z: float) -> None:
    frame = LocalFrame(GeoOrigin(latitude, longitude, 40.0))
    assert frame.to_local(*frame.to_wgs84(x, y, z)) == pytest.approx((x, y, z), abs=1e-6)


def test_a_short_step_has_the_ellipsoids_radii() -> None:
    """Along a meridian and a parallel, against the radii of curvature M and N."""
    latitude = 35.68
    frame = LocalFrame(GeoOrigin(latitude, 139.76, 40.0))
    e2, sine = 0.00669437999014, math.sin(math.radians(latitude))
    normal = 6378137.0 / math.sqrt(1.0 - e2 * sine**2)
    meridian = 6378137.0 * (1.0 - e2) / (1.0 - e2 * sine**2) ** 1.5
    north, east = frame.to_wgs84(0.0, 100.0), frame.to_wgs84(100.0, 0.0)
    assert math.radians(north[0] - latitude) * (meridian + 40.0) == pytest.approx(100.0, abs=1e-3)
    assert math.radians(east[1] - 139.76) * (normal + 40.0) * math.cos(math.radians(latitude)) == pytest.approx(100.0, abs=1e-3)
    assert east[0] == pytest.approx(latitude, abs=1e-8)
    assert frame.to_wgs84(0.0, 0.0, 5.0)[2] == pytest.approx(45.0, abs=1e-6)


def test_no_place_on_earth_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no place on Earth: .*latitude -90 \.\. 90"):
        LocalFrame(GeoOrigin(91.0, 0.0))


def _snyder(latitude: float, longitude: float, meridian: float) -> tuple[float, float]:
    """UTM easting and northing north of the equator, by J. P. Snyder, Map Projections: A Working Manual, 1987, eqs. 8-9, 8-10, 3-21."""
    a, e2 = 6378137.0, 0.0066943799901413165
    phi, second = math.radians(latitude), e2 / (1.0 - e2)
    n, t, c = a / math.sqrt(1.0 - e2 * math.sin(phi) ** 2), math.tan(phi) ** 2, second * math.cos(phi) ** 2
    w = math.radians(longitude - meridian) * math.cos(phi)
    m = a * (
        (1 - e2 / 4 - 3 * e2**2 / 64 - 5 * e2**3 / 256) * phi
        - (3 * e2 / 8 + 3 * e2**2 / 32 + 45 * e2**3 / 1024) * math.sin(2 * phi)
        + (15 * e2**2 / 256 + 45 * e2**3 / 1024) * math.sin(4 * phi)
        - (35 * e2**3 / 3072) * math.sin(6 * phi)
    )
    east = 0.9996 * n * (w + (1 - t + c) * w**3 / 6 + (5 - 18 * t + t**2 + 72 * c - 58 * second) * w**5 / 120) + 500000.0
    north = 0.9996 * (
        m + n * math.tan(phi) * (w**2 / 2 + (5 - t + 9 * c + 4 * c**2) * w**4 / 24 + (61 - 58 * t + t**2 + 600 * c - 330 * second) * w**6 / 720)
    )
    return east, north


@pytest.mark.parametrize(("latitude", "longitude", "zone"), [(35.68, 139.76, 54), (48.137, 11.575, 32), (60.2, 24.9, 35), (1.3, 103.8, 48)])
def test_utm_agrees_with_another_series(latitude: float, longitude: float, zone: int) -> None:
    utm = TransverseMercator.utm(zone)
    assert utm.forward(latitude, longitude) == pytest.approx(_snyder(latitude, longitude, 6.0 * zone - 183.0), abs=2e-3)
    assert utm.inverse(*utm.forward(latitude, longitude)) == pytest.approx((latitude, longitude), abs=1e-10)


def test_a_known_transverse_mercator() -> None:
    """Example of the EPSG Guidance Note 7-2 for the method, on WGS84's own ellipsoid: the way there and back, and the origin."""
    grid = projection_of("+proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996012717 +x_0=400000 +y_0=-100000 +ellps=WGS84")
    assert grid is not None
    assert grid.forward(49.0, -2.0) == pytest.approx((400000.0, -100000.0), abs=1e-6)
    assert grid.inverse(577274.99, 69740.50) == pytest.approx((50.5, 0.5), abs=2e-3)  # Airy's ellipsoid there: some 100 m of difference
    assert grid.forward(*grid.inverse(577274.99, 69740.50)) == pytest.approx((577274.99, 69740.50), abs=1e-6)


def test_projections_that_are_not_read_are_named() -> None:
    assert projection_of("!") is None
    for text, reason in (
        ("+proj=lcc +lat_1=33", "is not read: utm and tmerc are"),
        ("+proj=utm +zone=77", "zone 77"),
        ("+proj=utm +zone=33 +ellps=bessel", "only metres on WGS84"),
        ("+proj=tmerc +lon_0=east", "could not convert"),
    ):
        with pytest.raises(ValueError, match=reason):
            projection_of(text)
    assert np.isfinite(TransverseMercator.utm(56, south=True).inverse(334000.0, 6251000.0)).all()
