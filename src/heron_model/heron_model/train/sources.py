"""What is trained on: folders of samples, whether they fit together, and a digest that tells them from others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from heron_core.errors import ConfigError
from heron_core.settings import from_mapping, load_yaml
from heron_model.samples import FILE
from heron_model.train.config import MixtureConfig, SourceConfig
from heron_model.train.errors import DataError

_BLOCK = 1 << 20


def load_mixture(path: Path) -> MixtureConfig:
    """Reads a sources file: `sources: [{folder: …, ratio: …}, …]`; folders relative to the file.

    Raises:
        ConfigError: it says something else.
    """
    mixture = from_mapping(MixtureConfig, load_yaml(path), str(path))
    return MixtureConfig(tuple(SourceConfig(path.parent / source.folder, source.ratio) for source in mixture.sources))


def check_folders(folders: Sequence[Path]) -> None:
    """Whether these folders hold samples of the same views.

    Raises:
        DataError: one is missing, empty, or made for another rig; the text names it and what differs.
    """
    first: tuple[Path, list[dict[str, Any]]] | None = None
    for folder in folders:
        views = views_of(folder)
        if not any(folder.glob("*.parquet")):
            raise DataError(f"{folder}: holds no samples (no .parquet file); make some with ./heron model data --out {folder}")
        if first is None:
            first = folder, views
        elif views != first[1]:
            raise DataError(f"{folder} and {first[0]} were made for different views: {_difference(views, first[1])}. Make one of them anew")


def views_of(folder: Path) -> list[dict[str, Any]]:
    """The virtual cameras that a folder's samples were made for, in order.

    Raises:
        DataError: no such folder, or nothing in it tells.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; make samples with ./heron model data --out {folder}")
    if not (folder / FILE).is_file():
        raise DataError(f"{folder}: holds no {FILE}, so it is not a folder of samples; make one with ./heron model data")
    try:
        views = load_yaml(folder / FILE).get("views")
    except ConfigError as error:
        raise DataError(str(error)) from error
    if not isinstance(views, list) or not views or not all(isinstance(view, dict) for view in views):
        raise DataError(f"{folder / FILE}: views: expected a list of cameras, found {views!r}")
    return views


def split_drives(folder: Path, share: float) -> tuple[list[Path], list[Path]]:
    """Files to train on, and files that are held out: the last ones, whole, as moments of one drive are alike. Texts are never held out.

    Raises:
        DataError: there is a single file.
    """
    files = sorted(folder.glob("*.parquet"))
    if load_yaml(folder / FILE).get("source") == "text":
        return files, []
    if len(files) < 2:
        raise DataError(f"{folder}: holds a single drive, so none can be held out to measure on; make more, or name a folder with --held-out")
    kept = len(files) - max(1, round(share * len(files)))
    return files[:kept], files[kept:]


def labelled(files: Iterable[Path]) -> int:
    """Samples in some files, rows that are only the past of others left out."""
    return sum(pc.sum(pq.read_table(path, columns=["labelled"])["labelled"]).as_py() or 0 for path in files)


def data_digest(folders: Iterable[Path]) -> str:
    """SHA-256 (hex) over the names and bytes of all samples; where the folders lie does not matter, their order does."""
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted([*folder.glob("*.parquet"), folder / FILE]):
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
            total.update(path.name.encode() + b"\0" + digest.digest())
    return total.hexdigest()


def _difference(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> str:
    if len(found) != len(wanted):
        return f"{len(found)} cameras against {len(wanted)}"
    for here, there in zip(found, wanted, strict=True):
        for key in sorted(here.keys() | there.keys()):
            if here.get(key) != there.get(key):
                return f"{here.get('camera')}: {key} is {here.get(key)!r} against {there.get(key)!r}"
    return "their order"
