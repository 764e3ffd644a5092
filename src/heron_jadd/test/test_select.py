"""What becomes a scene, a sample, a sweep: the same at every rate, and never by accident."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_drive import START_NS, S, rig

from heron_jadd.config import RATES, JaddConfig
from heron_jadd.job import Job
from heron_jadd.picking import Picker
from heron_jadd.recording import HERON, HUMAN, Recording
from heron_jadd.select import nearest, select
from heron_jadd.split import Scene, split
from heron_jadd.tokens import token

SCENE = Scene(START_NS, START_NS + 20 * S, HERON)


def stamps(hz=10.0, seconds=20.0, jitter_ms=0.0, seed=0):
    count = round(seconds * hz) + 1
    off = np.random.default_rng(seed).normal(0.0, jitter_ms * 1e6, count)
    return START_NS + np.round(np.arange(count) * (1e9 / hz) + off).astype(np.int64)


def chosen(times, rate=10.0, reach_ns=50_000_000, scene=SCENE):
    config = JaddConfig(rate_hz=rate)
    return select(times, scene, config, Job(None, scene, config, None).grid_ns, dict.fromkeys(times, reach_ns))


def recording(seconds, *drivers):
    times = tuple((START_NS + round(at_s * S), who) for at_s, who in drivers) or ((START_NS, HUMAN),)
    return Recording(None, "r", {"CAM_FRONT": "/camera/front/image/compressed"}, rig(), START_NS, START_NS + round(seconds * S), 0, times)


def seconds(scenes):
    return [((each.start_ns - START_NS) / S, (each.end_ns - START_NS) / S, each.driver) for each in scenes]


def test_scenes_follow_each_other_and_a_long_enough_rest_is_one_too():
    found = split(recording(54.3), JaddConfig())
    assert seconds(found.scenes) == [(0.0, 20.0, HUMAN), (20.5, 40.5, HUMAN), (41.0, 54.0, HUMAN)]
    assert found.left_out_s == 0.0
    found = split(recording(48.0), JaddConfig())
    assert seconds(found.scenes) == [(0.0, 20.0, HUMAN), (20.5, 40.5, HUMAN)]
    assert found.left_out_s == pytest.approx(7.0)


def test_no_scene_goes_on_where_heron_takes_over_unless_asked():
    drive = recording(60.0, (0.0, HUMAN), (12.3, HERON), (44.9, HUMAN))
    config = JaddConfig()
    assert seconds(split(drive, config).scenes) == [(0.0, 12.0, HUMAN), (12.5, 32.5, HERON), (33.0, 44.5, HERON), (45.0, 60.0, HUMAN)]
    assert [each[2] for each in seconds(split(drive, JaddConfig(across_engagement=True)).scenes)] == ["mixed"] * 3
    assert split(recording(9.0), config).scenes == ()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.5, 40.0), max_size=5), st.sampled_from([5.0, 20.0]), st.sampled_from([1.0, 2.0]))
def test_scenes_never_overlap_nor_cross_a_change_and_lie_on_the_grid(lengths, scene_s, hz):
    config = JaddConfig(scene_s=scene_s, shortest_s=min(5.0, scene_s), keyframe_hz=hz)
    times = [0.0, *itertools.accumulate(lengths)]
    drivers = [(at, (HUMAN, HERON)[k % 2]) for k, at in enumerate(times)]
    drive = recording(times[-1] + 30.0, *drivers)
    scenes = split(drive, config).scenes
    assert scenes
    for one, two in itertools.pairwise(scenes):
        assert one.end_ns < two.start_ns
    for scene in scenes:
        assert (scene.start_ns - START_NS) % config.key_ns == (scene.end_ns - START_NS) % config.key_ns == 0
        assert config.shortest_s * S <= scene.end_ns - scene.start_ns <= scene_s * S
        inside = [who for at, who in drive.drivers if at <= scene.start_ns][-1]
        assert scene.driver == inside
        assert not any(scene.start_ns < at <= scene.end_ns for at, _ in drive.drivers)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=30, unique=True), st.lists(st.integers(0, 300), max_size=20, unique=True), st.integers(0, 60)
)
def test_streaming_picks_what_looking_at_all_would(times, wanted, reach):
    times, wanted = sorted(times), sorted(wanted)
    picker = Picker(wanted, reach)
    found = [each for each in (*(picker.offer(at, at) for at in times), picker.finish()) if each is not None]
    index = nearest(np.array(times), np.array(wanted, np.int64)).tolist()
    assert [at for at, _ in found] == sorted({times[k] for k, at in zip(index, wanted, strict=True) if abs(times[k] - at) <= reach})


def test_an_image_that_comes_too_late_is_refused():
    picker = Picker([5], 10)
    picker.offer(5, "one")
    with pytest.raises(ValueError, match="5 ns"):
        picker.offer(5, "two")


def test_a_scene_of_20_seconds_has_samples_at_2_hz_and_sweeps_between():
    times = {"CAM_FRONT": stamps(), "CAM_BACK": stamps(jitter_ms=3.0, seed=1)}
    found = chosen(times)
    assert np.array_equal(found.sample_ns, START_NS + np.arange(41) * 500_000_000)
    assert all(len(keys) == 41 for keys in found.keys.values())
    assert all(len(sweeps) == 160 for sweeps in found.sweeps.values())
    assert not found.dropped
    assert np.abs(found.apart_ns["CAM_BACK"]).max() < 15e6


@pytest.mark.parametrize("hz", [10.0, 30.0])
def test_every_rate_has_the_same_samples_and_higher_rates_hold_the_lower(hz):
    times = {"CAM_FRONT": stamps(hz, jitter_ms=2.0), "CAM_BACK": stamps(hz, jitter_ms=2.0, seed=1)}
    found = {rate: chosen(times, rate, round(5e8 / hz)) for rate in RATES if rate <= hz}
    images = {rate: set(each.keys["CAM_BACK"]) | set(each.sweeps["CAM_BACK"]) for rate, each in found.items()}
    for each in found.values():
        assert np.array_equal(each.sample_ns, found[2.0].sample_ns)
    assert images[2.0] < images[10.0]
    assert images[2.0] < images[5.0]
    assert len(images[5.0]) == 101 + 20  # 0.5 s is not on the grid of 5 Hz: its images and those of the samples
    assert len(images[10.0]) == 201
    if hz == 30.0:
        assert images[15.0] >= images[5.0] - images[2.0]
        assert images[10.0] < images[30.0]


def test_a_sample_without_an_image_of_each_camera_is_dropped_and_counted():
    back = stamps()
    late, gap = back[35:], np.delete(stamps(), [95, 96, 100, 104])
    found = chosen({"CAM_FRONT": stamps(), "CAM_BACK": late, "CAM_LEFT": gap})
    assert found.dropped == {"no image of CAM_BACK": 7, "no image of CAM_LEFT": 2}
    assert len(found.sample_ns) == 41 - 9
    assert found.sample_ns[0] == START_NS + 3_500_000_000
    assert min(times[index[0]] for times, index in ((stamps(), found.sweeps["CAM_FRONT"]),)) > found.sample_ns[0]
    empty = chosen({"CAM_FRONT": stamps(), "CAM_BACK": np.empty(0, np.int64)})
    assert len(empty.sample_ns) == 0
    assert empty.dropped == {"no image of CAM_BACK": 41}


def test_one_image_is_of_one_sample():
    slow = stamps(hz=1.0)
    found = chosen({"CAM_FRONT": slow}, reach_ns=500_000_000)
    assert len(set(found.keys["CAM_FRONT"].tolist())) == len(found.sample_ns) == 21
    assert found.dropped == {"the same image as the sample before": 20}


def test_tokens_are_for_ever():
    assert token("sample", "a19395c6ac345ec8", 1_700_000_000_000_000_000) == "a1f7d9486bef471a6e708fd2de2ab42e"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"rate_hz": 7.0}, "rate_hz = 7, allowed 2, 5, 10, 15, 30"),
        ({"version": "trainval"}, "v1.0-trainval"),
        ({"keyframe_hz": 20.0}, r"keyframe_hz = 20, allowed 0.5 \.\. 10"),
        ({"keyframe_hz": 3.0}, "whole nanoseconds"),
        ({"shortest_s": 30.0}, "shortest_s = 30"),
        ({"quality": 20}, "quality = 20, allowed 50"),
        ({"pose": "guess"}, "pose = 'guess'"),
    ],
)
def test_impossible_parameters_are_refused(wrong, text):
    with pytest.raises(ValueError, match=text):
        JaddConfig(**wrong)


def test_a_sample_that_two_cameras_lack_is_counted_once():
    gap = np.delete(stamps(), range(18, 23))
    found = chosen({"CAM_FRONT": gap, "CAM_BACK": gap})
    assert found.dropped == {"no image of CAM_FRONT": 1}
