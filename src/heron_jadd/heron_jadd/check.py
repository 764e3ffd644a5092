"""Whether a dataset is whole: everything that `create` promises of it is looked at, and what is wrong is said in sentences. It changes nothing."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heron_core.errors import ConfigError, InputError
from heron_core.settings import from_mapping
from heron_jadd.check_images import Image, Reader
from heron_jadd.check_places import check_places
from heron_jadd.check_remedies import REMEDIES
from heron_jadd.check_scene import SceneChecker
from heron_jadd.check_tables import BROKEN, CheckConfig, Row, Say, Tables, check_recordings, check_scenes, check_sensors, read_json, read_rows, why
from heron_jadd.check_view import ViewChecker
from heron_jadd.config import JaddConfig
from heron_jadd.create import Progress
from heron_jadd.merge import DATASET, RECORDINGS, SCENES, SENSORS
from heron_jadd.publish import LOCK, VIEW
from heron_jadd.tokens import SCHEMA

REPORT = "check.json"


@dataclass
class Found:
    """Findings of one kind: how many, and the first of them in words."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Checked:
    """What a check saw.

    Attributes:
        quick: no image was read.
        scenes, samples, frames, views: that it looked at.
        images_read, bytes_read: images whose bytes were compared.
        findings: kind → what was found; empty: all is well.
    """

    quick: bool = False
    scenes: int = 0
    samples: int = 0
    frames: int = 0
    views: int = 0
    images_read: int = 0
    bytes_read: int = 0
    findings: dict[str, Found] = field(default_factory=dict)

    def report(self) -> str:
        """JSON."""
        content = dataclasses.asdict(self)
        content["findings"] = {kind: {"remedy": REMEDIES[kind], **found} for kind, found in content["findings"].items()}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def write(self, root: Path) -> Path:
        """Puts it into the dataset."""
        unfinished = root / f".{REPORT}.{os.getpid()}"
        unfinished.write_text(self.report(), encoding="utf-8")
        unfinished.replace(root / REPORT)
        return root / REPORT


def check(
    root: Path,
    quick: bool = False,
    workers: int = 1,
    limits: CheckConfig = CheckConfig(),  # noqa: B008  frozen
    progress: Progress = lambda stage, done, total: None,
    viewed: bool = True,
) -> Checked:
    """Looks over a dataset. Damage of any kind is a finding.

    Args:
        root: folder of the dataset.
        quick: images are not read; their names and sizes are looked at.
        workers: threads that read images.
        limits: of what is plausible.
        progress: called with a stage, how much of it is done, and how much there is.
        viewed: whether it has views, as it has on a disk and not at a URL.

    Raises:
        InputError: no dataset, or somebody makes it at the moment.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    if not (root / DATASET).exists() and not (root / "tables").is_dir():
        raise InputError(f"{root}: no dataset: it has no {DATASET}; ./heron jadd create has not finished there, or it is another folder")
    checked = Checked(quick)

    def say(kind: str, sentence: str) -> None:
        sentence = sentence.encode(errors="backslashreplace").decode()  # damaged names may hold half of a character
        found = checked.findings.setdefault(kind, Found())
        found.count += 1
        if len(found.examples) < limits.examples:
            found.examples.append(sentence)

    with _still(root):
        folder, views, config, count = _pointers(root, say, viewed)
        with Reader(workers, say, progress) as reader:
            looker = _Looker(root, config, limits, checked, reader, say, progress)
            scenes, sensors = looker.truth(folder) if folder else (None, None)
            if scenes is not None and count != len(scenes):
                say("dataset_json", f"{DATASET}: scenes is {count!r}, {folder}/scenes.parquet has {len(scenes)}")
            looker.views(views, scenes, sensors)
        checked.images_read, checked.bytes_read = reader.images, reader.size
    return checked


def _pointers(root: Path, say: Say, viewed: bool) -> tuple[str, list[str], JaddConfig, Any]:
    """(folder of the tables or "", folders of views, parameters, number of scenes), as far as `dataset.json` and its links tell."""
    content: Row = {}
    try:
        content = read_json(root / DATASET)
        if content.get("schema") != SCHEMA:
            say("dataset_json", f"{DATASET}: schema is {content.get('schema')!r}, this check knows {SCHEMA}")
    except BROKEN as error:
        say("dataset_json", f"{DATASET}: {why(error)}")
    listed = content.get(VIEW)
    named = [("tables", content.get("tables"))]
    if viewed:
        named += [(VIEW if k == 0 else f"{VIEW}{k + 1}", name) for k, name in enumerate(listed if isinstance(listed, list) and listed else [None])]
    folders = []
    for link, name in named:
        path, there = root / link, isinstance(name, str) and bool(name) and _is_folder(root / name)
        if content and not there:
            say("pointer", f"{DATASET}: names {name!r} for {link}, which is no folder here")
        if not path.is_dir():
            say("pointer", f"{link}: leads nowhere, expected {name!r}")
        elif there and not _same(path, root / str(name)):
            say("pointer", f"{link}: leads to {path.resolve().name}, {DATASET} names {name}")
        folders.append(str(name) if there else link if path.is_dir() else "")
    config = JaddConfig()
    if content:
        try:
            config = from_mapping(JaddConfig, content.get("parameters"), DATASET)  # type: ignore[arg-type]
        except (ConfigError, *BROKEN) as error:
            say("parameters", f"{why(error)}; defaults are taken for the check")
    return folders[0], [name for name in folders[1:] if name], config, content.get("scenes")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except BROKEN:  # a name that no file system takes
        return False


def _same(link: Path, folder: Path) -> bool:
    """Whether a link leads to a folder, or is a copy of it, as copies of datasets have them that follow links."""
    if link.is_symlink():
        return link.resolve() == folder.resolve()
    return {path.name for path in link.iterdir()} == {path.name for path in folder.iterdir()}


@dataclass(frozen=True)
class _Looker:
    """What all parts of a check need."""

    root: Path
    config: JaddConfig
    limits: CheckConfig
    checked: Checked
    reader: Reader
    say: Say
    progress: Progress

    def truth(self, folder: str) -> tuple[dict[str, Row] | None, Sequence[Row] | None]:
        """Checks tables, scenes and images; rows of the scenes, by token, and of the sensors."""
        at = {name: f"{folder}/{name}.parquet" for name in ("scenes", "sensors", "recordings")}
        rows = read_rows(self.root / at["scenes"], at["scenes"], SCENES, self.say)
        sensors = read_rows(self.root / at["sensors"], at["sensors"], SENSORS, self.say)
        recordings = read_rows(self.root / at["recordings"], at["recordings"], RECORDINGS, self.say, ("identity", "split", "scenes"))
        with self._surviving("sensors"):
            check_sensors(at["sensors"], sensors or (), self.limits, self.say)
        if rows is None:
            return None, sensors
        check_scenes(at["scenes"], rows, self.config.val_by == "drive", self.say)
        if self.config.val_by == "place":
            with self._surviving("splits by place"):
                check_places(self.root, at["scenes"], rows, self.config, self.say)
        if recordings is not None:
            check_recordings(at["recordings"], recordings, rows, self.say)
        scenes = {row["token"]: row for row in rows}
        tables = Tables(self.root / folder, list(scenes), self.say)
        checker = SceneChecker(self.root, folder, self.config, self.limits, sensors, self.say)
        for number, scene in enumerate(scenes.values(), 1):
            self.checked.scenes += 1
            with self._surviving(f"scene {scene['token']}"):
                own = tables.of(scene["token"])
                self.checked.samples += len(own.get("samples", ()))
                self.checked.frames += len(own.get("frames", ()))
                self._read(checker.check(scene, own))
            self.progress("scenes", number, len(scenes))
        with self._surviving(folder):
            tables.finish()
        return scenes, sensors

    def views(self, names: Sequence[str], scenes: Mapping[str, Row] | None, sensors: Sequence[Row] | None) -> None:
        """Checks every view; together they have every scene once."""
        seen: dict[str, str] = {}
        whole = 0  # views whose list of scenes could be read
        for number, name in enumerate(names, 1):
            self.checked.views += 1
            with self._surviving(name):
                view = ViewChecker(self.root, name, self.config, self.limits, scenes, sensors, self.say)
                for copies in view.check():
                    self._read(copies)
                whole += view.whole
                for scene in view.scenes:
                    if scene in seen:
                        self.say("view_truth", f"{name}: scene {scene} is in {seen[scene]} too")
                    seen[scene] = name
            self.progress("views", number, len(names))
        for scene in (scenes or ()) if names and whole == len(names) else ():
            if scene not in seen:
                self.say("view_truth", f"{', '.join(names)}: scene {scene} is missing")

    @contextmanager
    def _surviving(self, what: str) -> Iterator[None]:
        """Whatever damage nobody thought of ends one part of the check, not the check."""
        try:
            yield
        except BROKEN as error:
            self.say("unchecked", f"{what}: {type(error).__name__}: {why(error)}")

    def _read(self, images: Sequence[Image]) -> None:
        if not self.checked.quick:
            self.reader.read(images)


@contextmanager
def _still(root: Path) -> Iterator[None]:
    """Nobody makes anything in the dataset meanwhile.

    Raises:
        InputError: somebody does already.
    """
    try:
        lock = (root / LOCK).open("rb")
    except OSError:  # a copy without its lock
        yield
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{root}: a run makes this dataset at the moment; wait for it") from error
        except OSError:
            pass  # a file system without locks
        yield
