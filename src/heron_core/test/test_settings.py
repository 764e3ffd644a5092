"""Yaml files are read fast, and say the same as to the slow reader."""

from pathlib import Path

import pytest
import yaml

from heron_core.errors import ConfigError
from heron_core.settings import load_yaml, parse_yaml

CONFIG = Path(__file__).resolve().parents[3] / "config"
FILES = sorted(path for path in CONFIG.rglob("*.yaml") if path.stat().st_size < 20_000)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONFIG)))
def test_every_file_says_the_same_to_both_readers(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert parse_yaml(text) == yaml.safe_load(text) is not None


@pytest.mark.parametrize("text", ["[" * 30_000, "- " * 30_000, "[" * 30_000 + "]" * 30_000], ids=["open", "items", "lists"])
def test_what_is_nested_too_deeply_is_an_error_and_no_crash(text: str, tmp_path: Path) -> None:
    (tmp_path / "deep.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"deep\.yaml: not valid yaml"):
        load_yaml(tmp_path / "deep.yaml")


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "code.yaml").write_text("a: !!python/object/apply:os.system ['true']")
    with pytest.raises(ConfigError, match="not valid yaml"):
        load_yaml(tmp_path / "code.yaml")
