"""What the README says of the parameters is what there is."""

import dataclasses
from pathlib import Path

from heron_core.settings import from_mapping, load_yaml
from heron_jadd.config import JaddConfig

ROOT = Path(__file__).resolve().parents[3]


def test_every_parameter_is_in_the_readme():
    readme = (ROOT / "src/heron_jadd/README.md").read_text(encoding="utf-8")
    table = readme.split("## Parameters")[1].split("## ")[0]
    missing = [field.name for field in dataclasses.fields(JaddConfig) if f"`{field.name}`" not in table]
    assert not missing


def test_presets_are_parameters():
    presets = sorted((ROOT / "config/jadd").glob("*.yaml"))
    assert {path.stem for path in presets} == {"nuscenes", "pass_through"}
    assert from_mapping(JaddConfig, load_yaml(presets[0]), "nuscenes") == JaddConfig()
    assert not from_mapping(JaddConfig, load_yaml(presets[1]), "pass_through").undistort
