"""Motion from CAN frames alone: a made bus, and ten minutes of a real one."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from heron_bag.importing.config import CanSource, ImportConfig, Source
from heron_bag.importing.importer import import_recording
from heron_bag.reader import open_bag
from heron_can.frame import Frame, to_batch
from heron_can.mapping import CanMapping
from heron_core.canbus import FLAG_TX
from heron_core.errors import InputError
from heron_core.settings import from_mapping
from heron_jadd.can_motion import CHUNK, Motion, can_motion, motion_of, tells_motion
from heron_jadd.can_signals import BusDecoder
from heron_jadd.fusion import fuse

ROOT = Path(__file__).resolve().parents[3]
REAL_DATA = Path(os.environ.get("HERON_REAL_DATA", ROOT.parent / "shared/data")) / "can_drive"
MS = 1_000_000
DBC = b"""VERSION ""
BO_ 1 SPEED: 3 A
 SG_ VALUE : 0|16@1+ (0.01,0) [0|0] "" A
 SG_ VALID : 16|1@1+ (1,0) [0|0] "" A

BO_ 2 OBD: 2 A
 SG_ PID M : 0|8@1+ (1,0) [0|0] "" A
 SG_ KMH m13 : 8|8@1+ (1,0) [0|0] "" A
 SG_ RPM m12 : 8|8@1+ (1,0) [0|0] "" A

BO_ 3 RATE: 2 A
 SG_ Z : 0|16@1- (0.1,0) [0|0] "deg/s" A

BO_ 4 PLACE: 8 A
 SG_ LAT : 0|32@1- (0.000001,0) [0|0] "" A
 SG_ LON : 32|32@1- (0.000001,0) [0|0] "" A

BO_ 5 QUALITY: 2 A
 SG_ FIX : 0|8@1+ (1,0) [0|0] "" A
 SG_ STD : 8|8@1+ (0.1,0) [0|0] "" A

VAL_ 5 FIX 0 "NO" 1 "SINGLE" 7 "RTK";
"""
MAPPING = {
    "buses": {"car": {"interface": "bag", "dbc": ["car.dbc"]}},
    "state": {
        "speed": {
            **{"bus": "car", "message": "SPEED", "signal": "VALUE", "require": {"VALID": 1}, "timeout_ms": 300},
            "fallback": {"bus": "car", "message": "OBD", "signal": "KMH", "scale": 1 / 3.6},
        }
    },
    "imu": {"rate_z": {"bus": "car", "message": "RATE", "signal": "Z", "scale": 0.017453292519943295}},
    "gnss": {
        "latitude_deg": {"bus": "car", "message": "PLACE", "signal": "LAT"},
        "longitude_deg": {"bus": "car", "message": "PLACE", "signal": "LON"},
        "horizontal_std_m": {"bus": "car", "message": "QUALITY", "signal": "STD", "timeout_ms": 150},
        "fix": {"bus": "car", "message": "QUALITY", "signal": "FIX", "values": {"NO": 0, 1: 1, "RTK": 4}, "timeout_ms": 150},
    },
}


def speed(at_ms: int, mps: float, valid: bool = True, flags: int = 0) -> Frame:
    return Frame(at_ms * MS, 1, struct.pack("<HB", round(mps * 100), valid), flags)


def motion(frames: Iterable[Frame], **changed: object) -> Motion:
    mapping = from_mapping(CanMapping, {**MAPPING, **changed}, "can.yaml")
    return motion_of(mapping, {"car": BusDecoder("car", {"car.dbc": DBC})}, [to_batch("car", frames)])


def test_the_fallback_speaks_only_where_the_source_is_silent() -> None:
    own = [speed(0, 10.0), speed(100, 11.0), speed(200, 99.0, valid=False), speed(210, 50.0, flags=FLAG_TX), speed(900, 12.0)]
    obd = [Frame(at * MS, 2, bytes((13, 36))) for at in (50, 380, 450, 800, 950)] + [Frame(460 * MS, 2, bytes((12, 90)))]
    found = motion([*own, *obd])
    assert (found.speed_ns // MS).tolist() == [0, 100, 450, 800, 900]  # 380 is 280 ms after the last valid one
    assert found.speed.tolist() == pytest.approx([10.0, 11.0, 10.0, 10.0, 12.0])
    assert found.counts == {"flagged_invalid SPEED.VALUE": 1}


def test_fixes_take_the_quality_that_was_said_nearest_to_them() -> None:
    places = [Frame(at * MS, 4, struct.pack("<ii", 35_000_000 + at, 139_000_000 - at)) for at in (0, 1000, 2000, 3000, 4000)]
    said = [Frame(at * MS, 5, bytes(content)) for at, content in ((40, (1, 20)), (960, (7, 1)), (2100, (0, 90)), (2900, (3, 5)), (3700, (7, 1)))]
    found = motion([speed(0, 1.0), *places, *said])
    assert found.gnss[:, 0].tolist() == pytest.approx([35.0 + at / 1e6 for at in (0, 1000, 2000, 3000, 4000)], abs=1e-9)
    assert found.gnss[:, 1].tolist() == pytest.approx([139.0 - at / 1e6 for at in (0, 1000, 2000, 3000, 4000)], abs=1e-9)
    assert np.isnan(found.gnss[:, 2]).all()
    assert found.gnss[:, 3].tolist() == pytest.approx([2.0, 0.1, 9.0, 0.5, np.nan], nan_ok=True)  # the last one is 300 ms away
    assert found.kinds.tolist() == [1, 4, 0, 0, 0]
    assert found.counts == {"undefined_value QUALITY.FIX": 1}


def test_what_the_car_does_not_say_is_left_out() -> None:
    found = motion([speed(0, 1.0), Frame(7 * MS, 3, struct.pack("<h", -900))], gnss={})
    assert len(found.gnss_ns) == 0 and found.gnss.shape == (0, 4)
    assert found.rate.tolist() == pytest.approx([-np.pi / 2.0])
    place = {name: MAPPING["gnss"][name] for name in ("latitude_deg", "longitude_deg")}  # type: ignore[index]
    assert motion([Frame(0, 4, bytes(8))], gnss=place).kinds.tolist() == [1]  # a receiver that says no more than where it is
    assert len(motion([speed(0, 1.0)], imu={}).imu_ns) == 0
    with pytest.raises(InputError, match=r"can\.yaml has no state\.speed"):
        motion([], state={})


def test_many_frames_are_decoded_in_parts_as_if_at_once() -> None:
    frames = [speed(at, at % 600 / 10.0) for at in range(CHUNK // 2)]
    mapping, decoders = from_mapping(CanMapping, MAPPING, "can.yaml"), {"car": BusDecoder("car", {"car.dbc": DBC})}
    batches = [to_batch("car", frames[at : at + 1000]) for at in range(0, len(frames), 1000)]
    found = motion_of(mapping, decoders, batches * 3)  # 1.5 of what is decoded at once
    assert len(found.speed_ns) == 3 * len(frames)
    assert (np.diff(found.speed_ns) >= 0).all()
    assert found.speed[::3].tolist() == pytest.approx([at % 600 / 10.0 for at in range(len(frames))])


def test_a_real_drive_is_fused_from_its_bus_alone(tmp_path: Path) -> None:
    """What stands on the bus, against asammdf's reading of the same log; then a track within the receiver's own accuracy."""
    log = REAL_DATA / "00000003-60FEBB3B.MF4"
    if not log.exists():
        pytest.skip(f"no recordings in {REAL_DATA}; set HERON_REAL_DATA")
    from asammdf import MDF

    dbc = str(REAL_DATA / "canmod-gps.dbc")
    source = Source(can=CanSource((str(log),), channels={1: "obd", 2: "gps"}, from_s=60.0, duration_s=60.0))
    attach = {"vehicle/canmod-gps.dbc": dbc, "vehicle/demo.dbc": "../vehicle/demo/demo.dbc"}
    config = ImportConfig("drive", (source,), vehicle="../vehicle/csselectronics", attach=attach)
    import_recording(config, ROOT / "config" / "import" / "front_and_can.yaml", tmp_path / "rec")
    with open_bag(tmp_path / "rec") as bag:
        assert tells_motion(bag)
        found = can_motion(bag)
    latitude = MDF(log).extract_bus_logging({"CAN": [(dbc, 0)]}).get("Latitude")
    theirs, ours = np.asarray(latitude.samples, np.float64), found.gnss[:, 0]
    at = next(k for k in range(len(theirs)) if np.allclose(theirs[k : k + len(ours)], ours, rtol=0, atol=1e-9))  # not one is missing
    assert np.abs(np.diff(found.gnss_ns) / 1e9 - np.diff(latitude.timestamps[at : at + len(ours)])).max() < 1e-5
    assert len(ours) > 50
    assert set(found.kinds.tolist()) == {1}
    assert len(found.imu_ns) == pytest.approx(6_000, rel=0.02)
    track = fuse(found.gnss_ns, found.gnss, found.kinds, found.imu_ns, found.rate, found.speed_ns, found.speed)
    assert track.counts.used > 50 and track.counts.gated <= 1 and track.counts.speed_dropped == 0
    assert np.degrees(track.bias_rps[-1]) == pytest.approx(0.36, abs=0.15)  # the module's, as can.yaml tells
