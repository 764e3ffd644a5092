"""What a dataset or a recording is called by who gives it: a folder, or a URL that is worked on in a folder of this machine, the stage."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from heron_core.errors import HeronError, InputError
from heron_jadd.room import DiskFullError
from heron_jadd.tokens import digest
from heron_remote.store import Store

THREADS = 8  # files that are copied at once: a store is slow to answer, not to deliver
T = TypeVar("T")


def is_url(place: str) -> bool:
    """Whether fsspec opens it; anything else is a path."""
    return "://" in place


def in_threads(work: Callable[[T], object], each: Sequence[T]) -> None:
    """Does the work for each, some at once; the first error ends it."""
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for _ in pool.map(work, each):
                pass
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


class Stage:
    """Folders of this machine that stand for URLs.

    Args:
        root: where they lie; default: heron/jadd in the user's cache.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heron" / "jadd"
        self._names: dict[str, str] = {}

    def folder(self, url: str) -> Path:
        """Where what lies at a URL is worked on: the same folder each time. Texts that name it are told with the URL (`named`)."""
        found = self.root / digest(url) / self._name(url)
        self.call(found, url)
        return found

    def call(self, folder: Path, url: str) -> None:
        """From now on texts tell the URL where they name the folder."""
        self._names[str(folder)] = Store(url).name.rstrip("/")

    def reading(self, url: str) -> Path:
        """A new folder, for what is only looked at; whoever asks removes its parent."""
        self.root.mkdir(parents=True, exist_ok=True)
        found = Path(tempfile.mkdtemp(dir=self.root, prefix=".")) / self._name(url)
        found.mkdir()
        self.call(found, url)
        return found

    def recordings(self, inputs: Sequence[str]) -> list[Path]:
        """Recordings as paths; those at URLs are copied here, whole, and anew each time: nobody tells whether they have changed.

        Raises:
            InputError: one is not there, or its store cannot be read.
        """
        return [self._fetched(place.rstrip("/")) if is_url(place) else Path(place) for place in inputs]

    def forget(self, inputs: Sequence[str]) -> None:
        """Removes the copies of recordings."""
        for place in inputs:
            if is_url(place):
                shutil.rmtree(self.folder(place.rstrip("/")).parent, ignore_errors=True)

    def named(self, text: str) -> str:
        """A text with URLs where it names folders of the stage."""
        for path, url in self._names.items():
            text = text.replace(path, url)
        return text

    def named_all(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Likewise, of a report in JSON."""
        found: dict[str, Any] = json.loads(self.named(json.dumps(report))) if self._names else dict(report)
        return found

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Errors name URLs too; but a disk that is full is the stage's."""
        try:
            yield
        except DiskFullError:
            raise
        except HeronError as error:
            error.args = tuple(self.named(each) if isinstance(each, str) else each for each in error.args)
            raise

    def _name(self, url: str) -> str:
        return url.rstrip("/").rpartition("/")[2] or "dataset"

    def _fetched(self, url: str) -> Path:
        path = self.folder(url)
        above, _, name = url.rpartition("/")
        store = Store(above)
        files = store.files(name)
        if not files:
            raise InputError(f"no such recording: {self._names[str(path)]}")
        shutil.rmtree(path.parent, ignore_errors=True)
        in_threads(lambda file: store.download(file, path.parent / file), list(files))
        return path
