"""A dataset at a URL while it is made: scenes are made in a folder of this machine, and each is kept at the URL as soon as it is done.

There a scene is whole when its manifest is, which comes last, and the dataset is another when `dataset.json` is, which comes after all else. So a run
that was killed is gone on with, on this machine or on another, and who reads meanwhile sees the dataset as it was. Two runs at once disturb no bytes,
since the same scenes are the same bytes; the one that ends last says what the dataset is.

Views lie only on disks (`fetch`): their images are further names of those of the scenes, which stores do not have.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from heron_jadd.catalogue import update
from heron_jadd.database import CATALOGUE
from heron_jadd.features import AS_USUAL, pictures
from heron_jadd.job import MANIFEST, Job
from heron_jadd.labelling import FOLDER as LABELS
from heron_jadd.merge import DATASET
from heron_jadd.places import Stage, in_threads, is_url
from heron_jadd.publish import alone
from heron_jadd.runs import ACCOUNTS, REPORT, RUNS
from heron_jadd.selection import SELECTIONS
from heron_jadd.stored import RECORDINGS
from heron_jadd.tracks import TRACKS
from heron_remote.store import PIECE_BYTES, MissingError, Store, StoreError

FOLDERS = (RUNS, SELECTIONS)  # of small files that runs add to
FILES = (ACCOUNTS, REPORT, CATALOGUE)
POINTER_BYTES = 1 << 20


class Here:
    """A dataset in a folder: its scenes are kept where they are made."""

    views = True

    def bring(self, jobs: Sequence[Job]) -> None:
        """Puts into the folder what is known of finished scenes elsewhere."""

    def bring_file(self, file: Path, out: Path) -> None:
        """Likewise, of one file of the dataset `out`."""

    def keep(self, job: Job) -> None:
        """Takes care of a scene that is done."""

    def finish(self, out: Path) -> None:
        """Takes care of a dataset that is done: brings its catalogue up to date."""
        update(out)


class Afar(Here):
    """A dataset at a URL.

    Args:
        url: where.

    Raises:
        StoreError: it cannot be opened; so do all methods, where the store cannot be read or written.
    """

    views = False

    def __init__(self, url: str) -> None:
        self.store = Store(url)

    def begin(self, out: Path) -> None:
        """Puts into the folder what runs add to: reports, accounts, selections, the catalogue."""
        for file in [*FILES, *(path for folder in FOLDERS for path in self.store.files(folder))]:
            self.bring_file(out / file, out)

    def bring(self, jobs: Sequence[Job]) -> None:
        """Puts tables of finished scenes into the folder, with `pictures_of` them, and keeps scenes that were not kept yet."""
        in_threads(self._bring, jobs)

    def bring_file(self, file: Path, out: Path) -> None:
        """Unless it is there; nothing, if the store has none."""
        if not file.is_file():
            try:
                self.store.download(file.relative_to(out).as_posix(), file)
            except MissingError:
                return

    def keep(self, job: Job) -> None:
        """Copies a scene to the URL, its manifest last, and lets go of its images here but for `pictures_of`.

        Raises:
            StoreError: likewise where an image is neither here nor there.
        """
        images = images_of(job)
        own = [path for folder in (job.folder, job.home / LABELS) for path in sorted(folder.glob("**/*")) if path.is_file()]
        wanted = {**images, **{self._at(job, path): path.stat().st_size for path in own if path != job.folder / MANIFEST}}
        there = self.store.files(self._at(job, job.home))
        missing = [file for file, size in wanted.items() if there.get(file) != size]
        in_threads(lambda file: self.store.upload(file, job.store / file), missing)
        there = self.store.files(self._at(job, job.home))
        torn = [file for file, size in wanted.items() if there.get(file) != size]
        if torn:
            raise StoreError(f"store {self.store.name}: {len(torn)} files of a scene did not arrive whole, {torn[0]} first; run it again")
        self.store.put(self._at(job, job.folder / MANIFEST), [(job.folder / MANIFEST).read_bytes()])
        for file in images.keys() - pictures_of(job):
            (job.store / file).unlink(missing_ok=True)

    def finish(self, out: Path) -> None:
        """Brings the catalogue up to date, and points the URL at the dataset of the folder; tables that it had before are removed."""
        update(out)
        dataset = (out / DATASET).read_bytes()
        tables = json.loads(dataset)["tables"]
        for folder in (tables, RECORDINGS, TRACKS):
            there = self.store.files(folder)
            files = {path.relative_to(out).as_posix(): path.stat().st_size for path in sorted((out / folder).glob("*")) if path.name[0] != "."}
            in_threads(lambda file: self.store.upload(file, out / file), [file for file, size in files.items() if there.get(file) != size])
        for path in (*(out / file for file in FILES), *(path for folder in FOLDERS for path in sorted((out / folder).glob("*.json")))):
            self.put(path, out)
        old = self._pointed()
        self.store.put(DATASET, [dataset])
        if old and old != tables:
            self.store.remove(old)

    def put(self, path: Path, out: Path) -> None:
        """Replaces one file of the dataset at the URL, whole, if it is in the folder."""
        if path.is_file():
            self.store.put(path.relative_to(out).as_posix(), _pieces(path))

    def _bring(self, job: Job) -> None:
        at = self._at(job, job.folder)
        there = self.store.size(f"{at}/{MANIFEST}") is not None
        if job.manifest() is not None and not there:
            if all((job.store / file).is_file() for file in images_of(job)):
                self.keep(job)  # a run was killed between making and keeping it
                return
            shutil.rmtree(job.home)  # the URL has lost it since
        if job.manifest() is not None:
            return
        shutil.rmtree(job.home, ignore_errors=True)
        of_scene = self.store.files(self._at(job, job.home))
        if there:
            self._download(job, [file for file in of_scene if file.startswith(f"{at}/")])
            self._download(job, sorted(pictures_of(job)))
        elif any(file.endswith(f"/{MANIFEST}") for file in of_scene):  # other products, whose images and labels this one may share
            self._download(job, list(of_scene))

    def _download(self, job: Job, files: Sequence[str]) -> None:
        """Manifests last: a scene of the folder is whole when it has one."""
        for file in sorted(files, key=lambda file: file.endswith(f"/{MANIFEST}")):
            self.store.download(file, job.store / file)

    def _at(self, job: Job, path: Path) -> str:
        return path.relative_to(job.store).as_posix()

    def _pointed(self) -> str:
        """Folder of the tables that the URL's dataset has now; "": there is none."""
        try:
            told: dict[str, Any] = json.loads(self.store.read(DATASET, POINTER_BYTES))
            return str(told["tables"])
        except (MissingError, ValueError, KeyError, TypeError):
            return ""


@contextmanager
def made_at(out: str, stage: Stage) -> Iterator[tuple[Path, Here]]:
    """The folder that a dataset is made in, and who takes care of it. For a URL the folder is the stage's; it goes when all is at the URL.

    Raises:
        InputError: another run on this machine makes a dataset there, or the store cannot be reached.
    """
    if not is_url(out):
        yield Path(out), Here()
        return
    place, folder = Afar(out), stage.folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder.parent, place.store.name):
        place.begin(folder)
        yield folder, place
        shutil.rmtree(folder.parent)


def images_of(job: Job) -> dict[str, int]:
    """File of the dataset → bytes, of all images and clouds of a finished scene."""
    found: dict[str, int] = {}
    for name in ("frames", "clouds"):
        path = job.folder / f"{name}.parquet"
        if path.is_file():
            table = pq.read_table(path, columns=["file", "bytes"])
            found.update(zip(table["file"].to_pylist(), table["bytes"].to_pylist(), strict=True))
    return found


def pictures_of(job: Job) -> set[str]:
    """Files of a finished scene that its features are read from."""
    table = pq.read_table(job.folder / "frames.parquet", columns=["channel", "is_key_frame", "file"])
    return set(pictures({name: table[name].to_numpy() for name in table.column_names}, AS_USUAL))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
