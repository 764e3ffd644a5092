"""How a preset is trained: what its file says, what is changed on the command line, what is refused."""

from pathlib import Path

import pytest

from heron_core.errors import ConfigError
from heron_model.train.config import RoundConfig, TrainConfig
from heron_model.train.settings import round_settings, train_settings

SHIPPED = Path(__file__).parents[3] / "config" / "train"


def test_settings_of_a_preset(tmp_path):
    (tmp_path / "1b.yaml").write_text("learning_rate: 0.00001\nprecision: bf16\n")
    settings = train_settings("1b", tmp_path, minutes=3.0, batch=None)
    assert (settings.learning_rate, settings.precision, settings.minutes, settings.batch) == (1e-5, "bf16", 3.0, TrainConfig().batch)
    assert train_settings("tiny", tmp_path) == TrainConfig()
    assert round_settings("tiny", tmp_path) == () == round_settings("1b", tmp_path)


def test_rounds_of_a_preset(tmp_path):
    (tmp_path / "tiny.yaml").write_text("batch: 8\nrounds: [{drives: 5, share: 0.5}, {drives: 7}]\n")
    first, second = RoundConfig(drives=5, share=0.5), RoundConfig(drives=7)
    assert train_settings("tiny", tmp_path).batch == 8
    assert round_settings("tiny", tmp_path) == (first, second)
    assert [round_settings("tiny", tmp_path, count) for count in (0, 1, 3)] == [(), (first,), (first, second, second)]
    assert round_settings("other", tmp_path, 1) == (RoundConfig(),)


@pytest.mark.parametrize(
    ("rounds", "text"),
    [
        ("[{drives: 0}]", r"rounds\[0\]: drives = 0, allowed 1 \.\. 10000"),
        ("[{drives: 5}, {share: 1.0}]", r"rounds\[1\]: share = 1.0, allowed 0.01 \.\. 0.99"),
        ("[{learning_rate: .nan}]", "learning_rate = nan, allowed 0.0"),
        ("[{drivs: 5}]", "unknown key 'drivs'; did you mean 'drives'"),
        ("3", "rounds: 3 is not a list"),
    ],
)
def test_rounds_that_are_refused(tmp_path, rounds, text):
    (tmp_path / "tiny.yaml").write_text(f"rounds: {rounds}\n")
    with pytest.raises(ConfigError, match=rf"tiny\.yaml: .*{text}"):
        round_settings("tiny", tmp_path)


def test_the_tiny_preset_learns_from_its_mistakes():
    assert round_settings("tiny", SHIPPED)
    assert train_settings("tiny", SHIPPED) != TrainConfig()
