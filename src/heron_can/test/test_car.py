import math
from pathlib import Path

import pytest
import yaml

from heron_can.car import load_car
from heron_core.errors import ConfigError
from heron_core.limits import load_limits
from heron_core.vehicle import SIGNALS
from heron_core.vehicle_model import load_vehicle_model

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "config/vehicle/demo"


def _changed(tmp_path, change):
    content = yaml.safe_load((DEMO / "can.yaml").read_text())
    change(content)
    (tmp_path / "can.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "demo.dbc").write_bytes((DEMO / "demo.dbc").read_bytes())
    return tmp_path


def test_demo_maps_every_signal(demo):
    assert {name.removeprefix("state.") for name in demo.sources if name.startswith("state.")} == set(SIGNALS) - {"driving_mode"}  # that is ours


def test_demo_protects_every_message_that_moves_the_car(demo):
    read = {source.message.name for name, chain in demo.sources.items() if name.startswith("state.") for source in chain}
    protected = {message for _, message in demo.protections}
    assert read | {"STEER_CMD", "ACCEL_CMD"} == protected


def test_steering_scale_is_the_steering_ratio_of_the_car():
    for folder in (DEMO, ROOT / "config/vehicle/csselectronics"):
        ratio = load_vehicle_model(folder / "vehicle.yaml").steer_ratio
        scale = yaml.safe_load((folder / "can.yaml").read_text())["commands"]["steer"]["scale"]
        assert scale == pytest.approx(-math.radians(1.0) / ratio, rel=1e-12)


def test_limits_list_exactly_the_command_frames(demo):
    listed = {(frame.bus, frame.id, frame.length, frame.period_s) for frame in load_limits(DEMO / "limits.yaml").commands}
    ours = {(c.bus, c.message.id, c.message.length, c.message.period_ms / 1e3) for c in demo.commands.values()}
    assert listed == ours


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["state"]["speed"].update(signal="SPED"), ["state.speed.signal", "VEHICLE_SPEED", "'SPED'", "nearest: SPEED"]),
        (lambda c: c["state"]["speed"].update(message="VEHICLE_SPED"), ["state.speed.message", "'VEHICLE_SPED'", "nearest: VEHICLE_SPEED"]),
        (lambda c: c["state"]["speed"].update(bus="vehikle"), ["state.speed.bus", "'vehikle'", "nearest: vehicle"]),
        (lambda c: c["state"].update(sped=c["state"]["speed"]), ["state", "unknown signal 'sped'"]),
        (lambda c: c["state"]["gear"].update(values={"PARK": 2}), ["state.gear.values", "'PARK'"]),
        (lambda c: c["state"]["indicator"].update(values={False: 0}), ["state.indicator.values", "quotes"]),
        (lambda c: c["state"]["speed"].update(timeout=5), ["state.speed", "unknown key 'timeout'", "did you mean 'timeout_ms'"]),
        (lambda c: c["state"]["speed"].update(timeout_ms=0), ["state.speed", "timeout_ms = 0", "1 .. 60000"]),
        (lambda c: c["state"]["speed"].update(scale=0), ["state.speed", "scale = 0"]),
        (lambda c: c["protection"][0].update(counter="COUNT"), ["protection[0].counter", "nearest: COUNTER"]),
        (lambda c: c["protection"][0].update(checksum="WHEEL_FL"), ["protection[0].checksum", "not one whole byte"]),
        (lambda c: c["protection"][0].update(data_id=0x12345), ["protection[0]", "data_id = 0x12345", "0xffff"]),
        (lambda c: c["protection"].append(dict(c["protection"][0])), ["protection", "stands twice"]),
        (lambda c: c["commands"]["steer"].update(request="REQ"), ["commands.steer.request", "'REQ'", "REQUEST"]),
        (lambda c: c["buses"]["vehicle"].update(bitrate=1), ["buses.vehicle", "bitrate = 1"]),
        (lambda c: c["buses"]["vehicle"].update(interface="socketcann"), ["buses.vehicle: interface", "'socketcann' is not one of socketcan"]),
        (lambda c: c["buses"]["vehicle"].update(dbc=["other.dbc"]), ["buses.vehicle.dbc", "'other.dbc'", "dbc_search"]),
        (lambda c: c["odometry"].update(max_gap_ms=1), ["odometry", "max_gap_ms = 1"]),
        (lambda c: c["gnss"].pop("latitude_deg"), ["latitude_deg and longitude_deg"]),
    ],
)
def test_wrong_names_and_values_are_named(tmp_path, change, words):
    folder = _changed(tmp_path, change)
    with pytest.raises(ConfigError) as caught:
        load_car(folder)
    assert str(caught.value).startswith(str(folder / "can.yaml"))
    for word in words:
        assert word in str(caught.value)


def test_broken_dbc_is_named(tmp_path):
    folder = _changed(tmp_path, lambda c: None)
    (folder / "demo.dbc").write_text('BO_ 160 X: 8 A\n SG_ Y : 0|80@1+ (1,0) [0|0] "" A\n')
    with pytest.raises(ConfigError, match=r"demo\.dbc: not a valid DBC file"):
        load_car(folder)


def test_attachments_make_a_car_of_their_own(recorded, tmp_path):
    for name, data in recorded.attachments().items():
        (tmp_path / name).write_bytes(data)
    again = load_car(tmp_path)
    assert again.mapping == recorded.mapping and set(again.messages) == set(recorded.messages)


def test_filter_is_what_sources_read(demo):
    assert (0x0B0, False) in demo.wanted["vehicle"]
    assert (0x2E0, False) not in demo.wanted["vehicle"]
