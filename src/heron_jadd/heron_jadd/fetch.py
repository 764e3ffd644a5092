"""A dataset at a URL, brought to this machine: all of it with its views, or as much as somebody needs to look at it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from heron_core.errors import InputError
from heron_jadd.afar import FILES, FOLDERS, POINTER_BYTES, Afar, images_of, pictures_of
from heron_jadd.catalogue import is_current, update
from heron_jadd.check import REPORT as CHECKED
from heron_jadd.check import Checked
from heron_jadd.clouds import FOLDER as CLOUDS
from heron_jadd.create import Progress
from heron_jadd.database import CATALOGUE
from heron_jadd.features import AS_USUAL
from heron_jadd.job import MANIFEST, SCENES, Job
from heron_jadd.merge import DATASET
from heron_jadd.pictures import shots
from heron_jadd.places import Stage, in_threads, is_url
from heron_jadd.publish import alone, publish
from heron_jadd.selection import save_selection, saved_selection, select
from heron_jadd.stored import RECORDINGS, jobs_of, scene_rows
from heron_jadd.tracks import TRACKS
from heron_remote.store import MissingError, Store

OF_PUBLISH = ("schema", "tables", "nuscenes", "scenes")  # what `publish` says itself
Row = Mapping[str, Any]


class Fetcher:
    """Copies what is asked for of a dataset at a URL into a folder, where it lies as in any dataset.

    Args:
        url: where.
        out: the folder; what is in it whole is not copied again.
        progress: called with a stage, how much of it is done, and how much there is.

    Raises:
        InputError: there is no dataset, or the store cannot be read; likewise all methods.
    """

    def __init__(self, url: str, out: Path, progress: Progress = lambda stage, done, total: None) -> None:
        self.place, self.out, self._progress = Afar(url), out, progress
        self._store = self.place.store
        try:
            self.dataset: dict[str, Any] = json.loads(self._store.read(DATASET, POINTER_BYTES))
        except MissingError as error:
            raise InputError(f"{self._store.name}: no dataset: it has no {DATASET}; ./heron jadd create makes datasets") from error
        except ValueError as error:
            raise InputError(f"{self._store.name}: {DATASET} is damaged ({error}); ./heron jadd create writes it anew") from error

    def pointers(self) -> None:
        """`dataset.json`, the table of scenes, and what `small` brings."""
        self._tables("scenes.parquet")
        self.small()
        (self.out / DATASET).write_text(json.dumps(self.dataset, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def small(self) -> None:
        """Selections, reports, accounts, the catalogue."""
        for file in [*FILES, *(file for folder in FOLDERS for file in self._store.files(folder))]:
            with suppress(MissingError):
                self._store.download(file, self.out / file)

    def rows(self, tokens: Collection[str] | None = None) -> list[dict[str, Any]]:
        """Of the table of scenes; None: all."""
        self._tables("scenes.parquet")
        return [row for row in scene_rows(self.out, str(self.dataset["tables"])) if tokens is None or row["token"] in tokens]

    def shared(self) -> None:
        """Tables of the dataset and of its recordings."""
        self._tables()
        self._all([file for folder in (RECORDINGS, TRACKS) for file in self._store.files(folder) if not (self.out / file).is_file()])

    def tables(self, rows: Sequence[Row]) -> list[Job]:
        """Tables of the dataset, of its recordings, and of these scenes; the scenes as jobs."""
        self.shared()
        for done, row in enumerate(rows, 1):
            product = f"{SCENES}/{row['token']}/{row['product']}"
            if not (self.out / product / MANIFEST).is_file():
                self._all([file for file in self._store.files(product) if not file.endswith(f"/{MANIFEST}")])
                self._store.download(f"{product}/{MANIFEST}", self.out / product / MANIFEST)
            self._progress("tables", done, len(rows))
        return jobs_of(self.out, rows, self.dataset["parameters"])

    def images(self, jobs: Sequence[Job]) -> None:
        """All images and clouds of the scenes."""
        for done, job in enumerate(jobs, 1):
            self._all([file for file, size in images_of(job).items() if not _has(self.out / file, size)])
            self._progress("images", done, len(jobs))

    def mirror(self, rows: Sequence[Row]) -> None:
        """Whatever there is of these scenes, for who looks for damage."""
        for done, row in enumerate(rows, 1):
            home = f"{SCENES}/{row['token']}"
            mine = tuple(f"{home}/{name}/" for name in (row["product"], f"images-{row['profile']}", CLOUDS))
            self._all([file for file in self._store.files(home) if file.startswith(mine)])
            self._progress("copying", done, len(rows))

    def files(self, paths: Collection[Path]) -> None:
        """Files of the folder, as they are named at the URL."""
        self._all([path.relative_to(self.out).as_posix() for path in paths if not path.is_file()])

    def catalogue(self) -> None:
        """A catalogue that is up to date; if the one at the URL is not, it is made so, and replaced there."""
        self.pointers()
        if not is_current(self.out, AS_USUAL):
            self.files({self.out / file for job in self.tables(self.rows()) for file in pictures_of(job)})
            update(self.out)
            self.place.put(self.out / CATALOGUE, self.out)

    def _tables(self, only: str = "") -> None:
        """The folder of the tables, which is there when it is whole; or one of them."""
        name = str(self.dataset["tables"])
        folder, part = self.out / name, self.out / f".{name}.part"
        if only and not (folder / only).is_file():
            self._store.download(f"{name}/{only}", folder / only)
        elif not only and folder.is_dir():
            self._all([file for file in self._store.files(name) if not (self.out / file).is_file()])
        elif not only:
            shutil.rmtree(part, ignore_errors=True)
            in_threads(lambda file: self._store.download(file, part / Path(file).name), list(self._store.files(name)))
            part.rename(folder)
        if not (self.out / "tables").is_symlink():
            (self.out / "tables").symlink_to(name)

    def _all(self, files: Sequence[str]) -> None:
        in_threads(lambda file: self._store.download(file, self.out / file), files)


def pull(url: str, out: Path, progress: Progress = lambda stage, done, total: None) -> list[Path]:
    """Brings a dataset to a disk, with the same bytes as if it had been made there; the folders for the devkit.

    Args:
        url: where it lies.
        out: folder to make; a pull that was stopped goes on, and one of a dataset that has grown copies what is new.
        progress: called with a stage, how much of it is done, and how much there is.

    Raises:
        InputError: no dataset there, or a store that cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        fetcher = Fetcher(url, out, progress)
        fetcher.shared()
        rows = fetcher.rows()
        jobs = fetcher.tables(rows)
        fetcher.images(jobs)
        about = {name: value for name, value in fetcher.dataset.items() if name not in OF_PUBLISH}
        views = publish(jobs, {row["token"]: row["split"] for row in rows}, out, about)
        fetcher.small()
    return views


def pull_some(url: str, tokens: Collection[str] | None, out: Path, name: str, query: str = "", progress: Progress = lambda *_: None) -> list[Path]:
    """Brings some scenes to a disk, as a dataset of its own; the folders for the devkit.

    Args:
        url: where the dataset lies.
        tokens: of the scenes; None: those of the selection that is kept under this name.
        out: folder to make.
        name: of the selection.
        query: that found them.
        progress: called with a stage, how much of it is done, and how much there is.

    Raises:
        InputError: no dataset there, no such selection or scene, or a store that cannot be read.
    """
    stage = Stage(out.absolute().parent)  # on one disk images need not be copied again
    folder = stage.reading(url)
    try:
        with stage.telling():
            fetcher = Fetcher(url, folder, progress)
            fetcher.pointers()
            wanted = saved_selection(folder, name) if tokens is None else tuple(tokens)
            fetcher.images(fetcher.tables(fetcher.rows(set(wanted))))
            return select(folder, wanted, out, name, query)
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)


@contextmanager
def at_hand(dataset: str, stage: Stage, want: Callable[[Fetcher], object], progress: Progress = lambda stage, done, total: None) -> Iterator[Path]:
    """A dataset as a folder, for reading: its own, or for a URL one that is removed afterwards.

    Args:
        dataset: folder or URL.
        stage: where URLs are worked on.
        want: has the fetcher bring what will be read.
        progress: called with a stage, how much of it is done, and how much there is.
    """
    if not is_url(dataset):
        yield Path(dataset)
        return
    folder = stage.reading(dataset)
    try:
        want(Fetcher(dataset, folder, progress))
        yield folder
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)


def everything(fetcher: Fetcher) -> None:
    """All that a check looks at; what is too damaged to tell its scenes is looked at without them."""
    fetcher.pointers()
    fetcher.shared()
    with suppress(OSError, ValueError, KeyError):  # pa.ArrowException is one of these
        fetcher.mirror(fetcher.rows())


def catalogued(fetcher: Fetcher) -> None:
    """What queries are asked of."""
    fetcher.catalogue()


def described(fetcher: Fetcher) -> None:
    """Tables alone."""
    fetcher.pointers()
    fetcher.shared()


def drawn(fetcher: Fetcher) -> None:
    """Tables, and the images of the contact sheet."""
    described(fetcher)
    fetcher.files({file for shot in shots(fetcher.out)[1] for file in shot.files})


def scenes_of(selection: str, pictured: bool = True) -> Callable[[Fetcher], None]:
    """Tables of scenes, and their images if they are wanted: of a kept selection, or of all."""

    def want(fetcher: Fetcher) -> None:
        fetcher.pointers()
        jobs = fetcher.tables(fetcher.rows(set(saved_selection(fetcher.out, selection)) if selection else None))
        if pictured:
            fetcher.images(jobs)

    return want


def keep_selection(dataset: str, folder: Path, name: str, query: str, tokens: Sequence[str]) -> Path:
    """As `save_selection`, of a dataset that is at hand in a folder, and at the URL too if it has one."""
    saved = save_selection(folder, name, query, tokens)
    if is_url(dataset):
        Afar(dataset).put(saved, folder)
    return saved


def keep_check(dataset: str, checked: Checked) -> str:
    """Puts what a check found into the dataset; where it lies."""
    if not is_url(dataset):
        return str(checked.write(Path(dataset)))
    store = Store(dataset)
    store.put(CHECKED, [checked.report().encode()])
    return f"{store.name}/{CHECKED}"


def _has(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
