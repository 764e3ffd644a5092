"""nuScenes' CAN messages: names, units, signs, what is left out, and the devkit's own reader where it is installed."""

import functools
import json
import math

import numpy as np
import pytest

from heron_core.vehicle import Signal, VehicleState
from heron_jadd.can_bus import CanBusForm, Inertial, States, can_bus, driven_route
from heron_jadd.can_bus_files import MESSAGES, meta, write_can_bus
from heron_jadd.poses import PoseTrack

START_NS = 1_767_225_610_000_000_000
README = {  # names in the devkit's can_bus/README.md, without utime
    "ms_imu": "linear_accel q rotation_rate",
    "pose": "accel orientation pos rotation_rate vel",
    "steeranglefeedback": "value",
    "vehicle_monitor": "available_distance battery_level brake brake_switch gear_position left_signal rear_left_rpm rear_right_rpm right_signal "
    "steering steering_speed throttle vehicle_speed yaw_rate",
    "zoesensors": "brake_sensor steering_sensor throttle_sensor",
    "zoe_veh_info": "FL_wheel_speed FR_wheel_speed RL_wheel_speed RR_wheel_speed left_solar longitudinal_accel meanEffTorque odom odom_speed "
    "pedal_cc regen requestedTorqueAfterProc right_solar steer_corrected steer_offset_can steer_raw transversal_accel",
}
STATE = {
    **{"speed": 10.0, "steer": 0.1, "steer_rate": -0.02, "yaw_rate": 0.3, "accel_x": -1.5, "accel_y": 2.0 * 9.80665, "throttle": 0.25, "brake": 0.5},
    **{"wheel_fl": 9.0, "wheel_fr": 11.0, "wheel_rl": 2.0 * math.pi * 0.3, "wheel_rr": 10.0, "brake_pressed": 1.0, "gear": 1.0, "indicator": 1.0},
}


def ticks(seconds, hz=100):
    return START_NS + np.arange(int(seconds * hz), dtype=np.int64) * (1_000_000_000 // hz)


def left_circle(seconds=20.0, speed=10.0, yaw_rate=0.1, hz=100):
    """A circle to the left at constant speed, from the origin, heading +x."""
    stamps = ticks(seconds, hz)
    yaw = yaw_rate * (stamps - stamps[0]) / 1e9
    poses = np.column_stack([speed / yaw_rate * np.sin(yaw), speed / yaw_rate * (1.0 - np.cos(yaw)), yaw])
    return PoseTrack(stamps, poses, np.full(len(stamps), speed), np.full(len(stamps), yaw_rate))


def states(seconds=20.0, **changed):
    stamps = ticks(seconds)
    return States(stamps, {name: np.broadcast_to(np.float64(value), len(stamps)) for name, value in {**STATE, **changed}.items()})


def imu(seconds=20.0, **lost):
    stamps = ticks(seconds)
    ones = np.ones((len(stamps), 1))
    return Inertial(stamps, ones * [0.01, 0.02, 0.1], ones * [0.5, 1.0, 9.8], ones * [1.0, 0.0, 0.0, 0.0])


@functools.cache
def everything():
    return whole(steer_ratio=15.0)


def whole(**changed):
    track = left_circle()
    given = {"states": states(), "imu": imu(), "route": driven_route(track), "steer_ratio": 15.0, "wheel_radius_m": 0.3, **changed}
    return can_bus(track, **given)


def test_units_are_those_of_nuscenes_and_left_is_positive():
    found = everything()
    monitor, info, sensors = (found.messages[name][0] for name in ("vehicle_monitor", "zoe_veh_info", "zoesensors"))
    wheel_deg = math.degrees(0.1 * 15.0)
    assert found.messages["steeranglefeedback"][0] == {"utime": START_NS // 1000, "value": pytest.approx(1.5)}
    assert monitor == {
        **{"utime": START_NS // 1000, "steering": pytest.approx(wheel_deg, abs=1e-6), "steering_speed": pytest.approx(math.degrees(-0.3), abs=1e-6)},
        **{"vehicle_speed": 36.0, "yaw_rate": pytest.approx(math.degrees(0.3), abs=1e-6), "throttle": 250, "brake_switch": 2, "gear_position": 7},
        **{"left_signal": 1, "right_signal": 0, "rear_left_rpm": 60.0, "rear_right_rpm": pytest.approx(10.0 / (2 * math.pi * 0.3) * 60, abs=1e-6)},
    }
    assert {name: type(monitor[name]) for name in ("throttle", "gear_position", "left_signal", "utime")} == dict.fromkeys(
        ("throttle", "gear_position", "left_signal", "utime"), int
    )
    assert (info["longitudinal_accel"], info["transversal_accel"], info["odom_speed"], info["pedal_cc"]) == (-1.5, 2.0, 36.0, 250.0)
    assert sensors == {"utime": START_NS // 1000, "brake_sensor": 0.5, "steering_sensor": monitor["steering"], "throttle_sensor": 250}


@pytest.mark.parametrize(
    ("signal", "value", "field", "wanted"),
    [
        *(("indicator", value, "left_signal", left) for value, left in ((0.0, 0), (1.0, 1), (-1.0, 0), (2.0, 1))),
        *(("indicator", value, "right_signal", right) for value, right in ((0.0, 0), (1.0, 0), (-1.0, 1), (2.0, 1))),
        *(("gear", value, "gear_position", code) for value, code in ((1.0, 7), (2.0, 0), (0.0, None), (-1.0, None))),
        *(("brake_pressed", value, "brake_switch", code) for value, code in ((0.0, 1), (1.0, 2))),
    ],
)
def test_codes(signal, value, field, wanted):
    found = can_bus(left_circle(0.1), states(0.1, **{signal: value}))
    assert found.messages["vehicle_monitor"][0].get(field) == wanted
    assert ("no code" in found.missing.get(f"vehicle_monitor.{field}", "")) == (wanted is None)


def test_poses_are_the_sixteen_numbers_that_models_read():
    """BEVFormer, UniAD and VAD take pos, orientation, and then whatever stands in a row, in the order of the file."""
    rows = everything().messages["pose"]
    for row in rows[:3]:
        assert list(row) == ["accel", "orientation", "pos", "rotation_rate", "utime", "vel"]
        assert [len(row[name]) for name in ("pos", "orientation", "accel", "rotation_rate", "vel")] == [3, 4, 3, 3, 3]
    row = rows[200]  # 4 s at 50 Hz: 0.4 rad of the circle
    assert row["utime"] == START_NS // 1000 + 4_000_000
    assert row["pos"] == pytest.approx([100.0 * math.sin(0.4), 100.0 * (1 - math.cos(0.4)), 0.0], abs=1e-6)
    assert row["orientation"] == pytest.approx([math.cos(0.2), 0.0, 0.0, math.sin(0.2)], abs=1e-6)
    assert (row["vel"], row["rotation_rate"]) == ([10.0, 0.0, 0.0], [0.0, 0.0, 0.1])
    assert row["accel"] == pytest.approx([0.0, 1.0, 9.80665], abs=1e-6)


def test_acceleration_follows_from_speed_unless_it_is_measured():
    track = left_circle()
    rising = PoseTrack(track.stamp_ns, track.poses, 2.0 * (track.stamp_ns - track.stamp_ns[0]) / 1e9, track.yaw_rate_rps)
    assert [row["accel"][0] for row in can_bus(rising).messages["pose"]] == pytest.approx([2.0] * 1000)
    assert {row["accel"][0] for row in can_bus(rising, accel_mps2=np.full(2000, 1.25)).messages["pose"]} == {1.25}


def test_rates():
    messages = everything().messages
    steps = {name: set(np.diff([row["utime"] for row in messages[name]]).tolist()) for name in README}
    assert steps == {
        **{"ms_imu": {10_000}, "pose": {20_000}, "steeranglefeedback": {10_000}, "vehicle_monitor": {500_000}},
        **{"zoesensors": {10_000}, "zoe_veh_info": {10_000}},
    }
    later = PoseTrack(*(getattr(left_circle(), name)[7:] for name in ("stamp_ns", "poses", "speed_mps", "yaw_rate_rps")))
    assert {row["utime"] for row in can_bus(later).messages["pose"][1:]} < {
        row["utime"] for row in messages["pose"]
    }  # the same ones in every stretch


def test_all_names_are_the_readmes():
    found = everything()
    for message, names in README.items():
        fields = set(found.messages[message][0]) - {"utime"}
        said = {name.removeprefix(f"{message}.") for name in found.missing if name.startswith(f"{message}.")}
        assert fields | said == set(names.split())
        assert not fields & said
    assert set(found.messages) == set(MESSAGES)


def test_what_the_car_does_not_tell_is_left_out_and_said():
    few = States(ticks(20), {name: value for name, value in states().values.items() if name in ("speed", "steer")})
    found = whole(states=few, imu=None, route=None, wheel_radius_m=None, steer_ratio=None)
    assert set(found.messages["vehicle_monitor"][0]) == {"utime", "steering", "vehicle_speed"}
    assert found.messages["steeranglefeedback"][0]["value"] == 0.1
    assert found.notes == ["no steering ratio is known: steering angles are those of the road wheels"]
    assert (found.messages["ms_imu"], found.messages["route"]) == ([], [])
    assert {found.missing[name] for name in ("ms_imu", "route")} == {"no IMU", "no route is known"}
    assert found.missing["vehicle_monitor.yaw_rate"] == "the car does not tell yaw_rate"
    assert found.missing["zoe_veh_info.FL_wheel_speed"] == "no wheel radius is known"
    assert found.messages["meta"]["MS_IMU"] == {"message_count": 0, "message_freq": None, "timespan": None, "var_stats": None}
    planar = imu()
    found = whole(imu=Inertial(planar.stamp_ns, planar.rates_rps * [math.nan, math.nan, 1.0], planar.accels_mps2))
    assert set(found.messages["ms_imu"][0]) == {"utime", "linear_accel"}
    assert found.missing["ms_imu.rotation_rate"] == "not measured along all axes"


def test_drop_outs_cost_their_ticks_and_a_signal_that_is_hardly_there_costs_itself():
    steer, brake = np.full(2000, 0.1), np.full(2000, 0.5)
    steer[100:150], brake[:400] = math.nan, math.nan
    found = whole(states=states(steer=steer, brake=brake))
    assert len(found.messages["steeranglefeedback"]) == 1950
    assert len(found.messages["zoesensors"]) == 1950
    assert "brake_sensor" not in found.messages["zoesensors"][0]
    assert found.missing["zoesensors.brake_sensor"] == "brake is valid in 80% of the ticks"


def test_states_of_a_recording():
    taken = States.of(
        [VehicleState(5, {"speed": Signal(3.0, 0, True), "steer": Signal(1.0, 0, False)}), VehicleState(15, {"speed": Signal(4.0, 0, False)})]
    )
    assert list(taken.values) == ["speed"]
    assert taken.values["speed"][0] == 3.0
    assert math.isnan(taken.values["speed"][1])


def test_times_that_do_not_rise_are_left_out():
    track = left_circle()
    back = track.stamp_ns.copy()
    back[500:600] -= 2_000_000_000
    utimes = np.array([row["utime"] for row in can_bus(PoseTrack(back, track.poses, track.speed_mps, track.yaw_rate_rps)).messages["pose"]])
    assert (np.diff(utimes) > 0).all()
    assert len(utimes) == 950


def test_meta_is_computed_as_in_nuscenes_files():
    rows = [
        {"a": 1, "utime": 1_000_000, "v": [3.0, 0.0]},
        {"a": 4, "utime": 1_500_000, "v": [5.0, 0.0]},
        {"a": 2, "utime": 2_500_000, "v": [1.0, 6.0]},
    ]
    found = meta(rows, 6)
    assert (found["message_count"], found["timespan"], found["message_freq"]) == (3, 1.5, 2.0)
    assert found["var_stats"]["a"] == {
        **{"max": 4, "min": 1, "mean": pytest.approx(7 / 3, abs=1e-6), "std": pytest.approx(math.sqrt(14) / 3, abs=1e-6)},
        **{"max_diff": 3.0, "min_diff": -2.0, "mean_diff": 0.5, "std_diff": 2.5},
    }
    # of a vector: all its numbers together, and differences of neighbours in a row: -3, -5, +5
    assert {name: found["var_stats"]["v"][name] for name in ("max", "min", "mean", "max_diff", "min_diff", "mean_diff")} == {
        **{"max": 6.0, "min": 0.0, "mean": 2.5},
        **{"max_diff": 5.0, "min_diff": -5.0, "mean_diff": -1.0},
    }
    assert meta(rows[:1], 6)["message_freq"] is None


def test_meta_of_times_keeps_its_digits():
    stamps = (ticks(20) // 1000).tolist()
    stats = meta([{"utime": stamp} for stamp in stamps], 6)["var_stats"]["utime"]
    assert (stats["max"], stats["min"], stats["mean"]) == (stamps[-1], stamps[0], sum(stamps) / len(stamps))
    assert stats["std"] == pytest.approx(10_000 * math.sqrt((2000**2 - 1) / 12), abs=1e-3)


def test_route_is_cut_to_the_scene():
    line = np.array([[-1000.0, 0.0], [2000.0, 0.0]])
    straight = PoseTrack(ticks(1), np.column_stack([np.linspace(100, 110, 100), np.full(100, 0.5), np.zeros(100)]), np.full(100, 10.0), np.zeros(100))
    route = np.array(can_bus(straight, route=line).messages["route"])
    assert route[0] == pytest.approx([50.0, 0.0], abs=0.2)
    assert route[-1] == pytest.approx([160.0, 0.0], abs=0.2)
    assert np.hypot(*np.diff(route, axis=0).T) == pytest.approx(0.2)
    assert np.hypot(*np.diff(driven_route(left_circle()), axis=0).T).max() < 1.2


def test_files_are_the_same_bytes_and_strict_json(tmp_path):
    messages = everything().messages
    first = write_can_bus(tmp_path / "a", "scene-2000", messages)
    second = write_can_bus(tmp_path / "b", "scene-2000", whole().messages)
    assert sorted(path.name for path in first) == sorted(f"scene-2000_{name}.json" for name in MESSAGES)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    content = json.loads((tmp_path / "a" / "can_bus" / "scene-2000_zoe_veh_info.json").read_text())
    assert content == messages["zoe_veh_info"]
    assert list(content[0]) == sorted(content[0])
    with pytest.raises(ValueError, match="JSON"):
        write_can_bus(tmp_path / "c", "scene-2000", {**messages, "route": [[math.nan, 0.0]]})
    for name in ("scene-20000", "scene-0170", "2000"):
        with pytest.raises(ValueError, match="devkit reads"):
            write_can_bus(tmp_path, name, messages)
    with pytest.raises(ValueError, match="expected"):
        write_can_bus(tmp_path, "scene-2000", {"pose": []})


def test_the_devkit_reads_all(tmp_path, capsys):
    pytest.importorskip("nuscenes", reason="nuscenes-devkit is not installed")
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from nuscenes.can_bus.can_bus_api import NuScenesCanBus

    found = everything()
    for scene in ("scene-2000", "scene-2001"):
        write_can_bus(tmp_path, scene, found.messages)
    reader = NuScenesCanBus(str(tmp_path))
    read = {name: reader.get_messages("scene-2000", name) for name in reader.all_messages}
    assert {name: content for name, content in read.items() if name != "meta"} == {
        name: content for name, content in found.messages.items() if name != "meta"
    }
    for name in reader.can_messages:
        reader.print_message_stats("scene-2000", name)  # looks for the name in lower case
    for full in (False, True):
        reader.print_all_message_stats("scene-2000", print_full=full)
    assert '"vehicle_monitor"' in capsys.readouterr().out
    reader.plot_baseline_route("scene-2000", out_path=str(tmp_path / "route.png"))
    reader.plot_message_data("scene-2000", "pose", "vel", dimension=-1)
    reader.plot_message_data("scene-2000", "vehicle_monitor", "steering")
    plt.close("all")
    assert reader.list_misaligned_routes() == []
    write_can_bus(tmp_path, "scene-2001", {**found.messages, "route": [[0.0, 500.0], [1.0, 500.0]]})
    assert reader.list_misaligned_routes() == ["scene-2001"]


def test_form_is_respected():
    found = whole(form=CanBusForm(pose_hz=10.0, monitor_hz=1.0, digits=2))
    assert (len(found.messages["pose"]), len(found.messages["vehicle_monitor"])) == (200, 20)
    assert found.messages["pose"][50]["pos"] == [round(100 * math.sin(0.5), 2), round(100 * (1 - math.cos(0.5)), 2), 0.0]
