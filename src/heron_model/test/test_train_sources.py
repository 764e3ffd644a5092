"""Sources: declared ratios are kept, orders are seeded, folders that do not fit together are refused."""

import json
from collections import Counter
from dataclasses import asdict

import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_core.errors import ConfigError, InputError
from heron_model.general import text_samples
from heron_model.layout import views
from heron_model.sample_writer import blank, describe_folder, write_rows
from heron_model.train.errors import DataError
from heron_model.train.sampler import MixtureSampler, State
from heron_model.train.sources import check_folders, data_digest, load_mixture


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4), epoch=st.integers(8, 90), cut=st.integers(0, 150), seed=st.integers(0, 99))
def test_the_order_is_a_function_of_the_place(sizes, epoch, cut, seed):
    sampler = MixtureSampler(sizes, [1.0] * len(sizes), epoch, seed)
    draws, end = sampler.take(State(), 150)
    first, middle = sampler.take(State(), cut)
    assert first + MixtureSampler(sizes, [1.0] * len(sizes), epoch, seed).take(middle, 150 - cut)[0] == draws
    assert end.epoch * epoch + end.position == 150
    assert all(0 <= draw.sample < sizes[draw.source] for draw in draws)


def test_ratios_are_kept_in_every_epoch_whatever_the_sizes():
    sampler = MixtureSampler([1000, 10, 200], [3, 1, 1], 200, 1)
    for epoch in range(3):
        draws, _ = sampler.take(State(epoch), 200)
        assert Counter(draw.source for draw in draws) == {0: 120, 1: 40, 2: 40}


def test_a_source_is_gone_through_whole_before_any_sample_comes_again():
    sampler = MixtureSampler([30, 7], [1, 1], 20, 3)
    draws, _ = sampler.take(State(), 120)
    first = [draw.sample for draw in draws if draw.source == 0]
    second = [draw.sample for draw in draws if draw.source == 1]
    assert sorted(first[:30]) == list(range(30)) == sorted(first[30:60]) and first[:30] != first[30:60]
    assert all(sorted(second[i : i + 7]) == list(range(7)) for i in range(0, 56, 7))
    assert len({draw.seed for draw in draws}) == 120


def test_without_ratios_an_epoch_is_every_sample_once():
    draws, _ = MixtureSampler([5, 11], seed=2).take(State(), 16)
    assert sorted((draw.source, draw.sample) for draw in draws) == [(0, i) for i in range(5)] + [(1, i) for i in range(11)]


def test_an_empty_source_or_one_without_a_place_is_refused():
    with pytest.raises(DataError, match="source 2 of 2 has no samples"):
        MixtureSampler([3, 0])
    with pytest.raises(DataError, match="source 2 gets no sample in an epoch of 10"):
        MixtureSampler([3, 3], [1000, 1], 10)


def folder(path, cameras=None, rows=1):
    path.mkdir(parents=True)
    describe_folder(path, cameras or views(), "test")
    if rows:
        write_rows(path / "a.parquet", [blank(i) for i in range(rows)])
    return path


def test_folders_of_one_rig_fit_and_others_are_named(tmp_path):
    good = [folder(tmp_path / "a"), folder(tmp_path / "b")]
    check_folders(good)
    other = list(views())
    other[1] = type(other[1])(**{**asdict(other[1]), "width": 320, "tolerance": other[1].tolerance})
    with pytest.raises(DataError, match=r"CAM_FRONT_NARROW: width is 320 against 256"):
        check_folders([*good, folder(tmp_path / "c", other)])
    with pytest.raises(DataError, match=r"6 cameras against 7"):
        check_folders([*good, folder(tmp_path / "d", views()[:6])])
    with pytest.raises(DataError, match=r"e: holds no samples.*heron model data"):
        check_folders([*good, folder(tmp_path / "e", rows=0)])
    with pytest.raises(DataError, match="no such folder"):
        check_folders([tmp_path / "nowhere"])
    (tmp_path / "f").mkdir()
    with pytest.raises(DataError, match=r"holds no samples\.yaml"):
        check_folders([tmp_path / "f"])
    (tmp_path / "f" / "samples.yaml").write_text("views: {}")
    with pytest.raises(DataError, match="expected a list of cameras"):
        check_folders([tmp_path / "f"])


def test_the_digest_is_of_the_data_not_of_the_place(tmp_path):
    first, second, third = folder(tmp_path / "a"), folder(tmp_path / "b"), folder(tmp_path / "c", rows=2)
    assert data_digest([first]) == data_digest([second]) != data_digest([third])


def test_a_sources_file(tmp_path):
    path = tmp_path / "sources.yaml"
    path.write_text("sources:\n- {folder: town, ratio: 3}\n- {folder: /x/general, ratio: 1}\n")
    mixture = load_mixture(path)
    assert [(str(source.folder), source.ratio) for source in mixture.sources] == [(str(tmp_path / "town"), 3.0), ("/x/general", 1.0)]
    for content, text in (
        ({"sources": []}, "name at least one folder"),
        ({"sources": [{"folder": "a", "ratio": -1}]}, "ratio -1.0 of a"),
        ({"sources": [{"folder": "a", "ratio": 1}, {"folder": "b"}]}, "some sources have a ratio and some do not"),
        ({"sources": [{"folder": "a"}, {"folder": "./a"}]}, "named twice"),
        ({"sources": [{"folder": "a", "rtio": 1}]}, "did you mean 'ratio'"),
    ):
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(ConfigError, match=text):
            load_mixture(path)


def test_general_text_becomes_samples_without_pictures(tmp_path):
    lines = [{"text": "What is the capital of Japan?", "english": "Tokyo."}, {"text": "空は何色？", "japanese": "青です。"}]
    (tmp_path / "general.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    assert text_samples(tmp_path / "general.jsonl", tmp_path / "out") == 2
    rows = pq.read_table(tmp_path / "out" / "text.parquet").to_pylist()
    assert rows[0]["english"] == "Tokyo." and rows[0]["labelled"] and rows[0]["view_0"] == b"" and rows[1]["text"] == "空は何色？"
    check_folders([tmp_path / "out"])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "holds no line"),
        ("{", "line 1: not JSON"),
        ('{"text": "a"}', "needs a text, and an answer"),
        ('{"text": "a", "answer": "b"}', "expected texts called"),
    ],
)
def test_bad_text_is_refused_by_line(tmp_path, content, text):
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(InputError, match=text):
        text_samples(tmp_path / "x.jsonl", tmp_path / "out")
