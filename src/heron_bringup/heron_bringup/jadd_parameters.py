"""Parameters of a dataset as they are given on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml

from heron_bag.foreign import Foreign, load_topic_map
from heron_bringup.paths import config_folder
from heron_core.errors import InputError
from heron_core.settings import from_mapping, load_yaml
from heron_jadd.config import JaddConfig
from heron_jadd.prices import Prices, load_prices

Inputs = Annotated[list[str], typer.Option("--input", help="A recording (folder, .mcap or .db3), or its URL, as fsspec opens it; repeatable.")]
Dataset = Annotated[str, typer.Argument(help="Folder or URL of a dataset, as jadd create makes it.")]
StageFolder = Annotated[Path | None, typer.Option("--stage", help="Folder in which URLs are worked on. Default: ~/.cache/heron/jadd.")]
Preset = Annotated[str, typer.Option(help="Parameters: a name in config/jadd, or a .yaml file.")]
Rate = Annotated[float | None, typer.Option(help="Images of each camera per second: 2, 5, 10, 15 or 30.")]
Cameras = Annotated[list[str] | None, typer.Option("--camera", help="A camera to take; repeatable. Default: all.")]
More = Annotated[list[str] | None, typer.Option("--set", help="Any parameter, e.g. scene_s=10; repeatable. src/heron_jadd/README.md lists them.")]
Workers = Annotated[int | None, typer.Option(min=1, max=512, help="Processes; default: one per core.")]
LabellerName = Annotated[str, typer.Option("--labeller", help="MODULE:FUNCTION that says the boxes, which are then no ground truth.")]
Catalogue = Annotated[
    str | None,
    typer.Option(help="Where its catalogue lies from now on: sqlite (a file in it), or postgresql://USER@HOST/DATABASE (password: ~/.pgpass)."),
]
Topics = Annotated[Path | None, typer.Option("--topics", help="A .yaml file that names the topics of recordings that are not Heron's.")]
PricesFile = Annotated[Path | None, typer.Option("--prices", help="A .yaml file; default: the examples in config/jadd/prices/default.yaml.")]


def config_of(preset: str, rate: float | None, cameras: list[str] | None, more: list[str]) -> JaddConfig:
    """A preset, with `more` (NAME=VALUE) over it.

    Raises:
        InputError: no such preset. ConfigError: an unknown parameter, or an impossible value.
    """
    path = Path(preset) if preset.endswith(".yaml") else config_folder() / "jadd" / f"{preset}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in (config_folder() / "jadd").glob("*.yaml")))
        raise InputError(f"--preset {preset}: no such preset; there are {known}, or give a .yaml file")
    values = load_yaml(path)
    for text in more:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected NAME=VALUE, e.g. --set scene_s=10")
        try:
            values[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"--set {text}: {value!r} is no value in YAML ({str(error).splitlines()[0]}); put it in quotes") from error
    if rate is not None:
        values["rate_hz"] = rate
    if cameras:
        values["cameras"] = cameras
    return from_mapping(JaddConfig, values, str(path) if not more else f"{path} with {', '.join(more)}")


def with_labeller(more: list[str] | None, labeller: str) -> list[str]:
    """Parameters (NAME=VALUE) with that of `--labeller` after them."""
    return [*(more or []), *([f"labeller={labeller}"] if labeller else [])]


def refuse_url(option: str, place: str, instead: str) -> None:
    """Of an option that takes a folder only.

    Raises:
        InputError: it is a URL.
    """
    from heron_jadd.places import is_url

    if is_url(place):
        raise InputError(f"{option} {place}: takes a folder, not a URL: {instead}")


def foreign_of(path: Path | None) -> Foreign | None:
    """A map of topics; None: the recordings are ours."""
    return None if path is None else load_topic_map(path)


def prices_of(path: Path | None) -> Prices:
    """Of a file; None: the examples."""
    return load_prices(path or config_folder() / "jadd" / "prices" / "default.yaml")
