"""Where policies and datasets lie: a folder, or whatever else fsspec opens by a URL. It knows files, not what they mean."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from heron_core.errors import HeronError, InputError

PIECE_BYTES = 1 << 20
PARTS = "parts"
"""Folder of what is being written; nobody reads there, and what a killed writer leaves may be deleted."""


class StoreError(InputError):
    """The store cannot be reached, read or written; the text says why."""


class MissingError(StoreError):
    """The store has no such file."""


class Store:
    """Files by their path in the store. A file that can be read is whole: it is written beside, and moved.

    Attributes:
        name: for people, without a password that the URL may hold.
    """

    def __init__(self, url: str) -> None:
        """Opens a store; a folder needs not exist before something is written.

        Args:
            url: a folder, or a URL of fsspec (`s3://bucket/policies`, `sftp://host/policies`, …).

        Raises:
            StoreError: no such kind of URL, or the package that opens it is not installed.
        """
        from fsspec.core import url_to_fs

        self.name = re.sub(r"(?<=//)[^/]*@", "…@", url)
        if not url:
            raise StoreError("--store is empty; give a folder or a URL, such as s3://bucket/policies")
        try:
            self._fs, root = url_to_fs(url)
        except ImportError as error:
            raise StoreError(f"store {self.name}: {_line(error)}; install that package beside Heron, or give a folder") from error
        except Exception as error:  # what a driver raises for a wrong URL or login, and drivers have nothing in common
            raise StoreError(f"store {self.name}: cannot be opened: {_line(error)}; give a folder or a URL of fsspec") from error
        self._root = str(root).rstrip("/")

    def size(self, path: str) -> int | None:
        """Bytes of a file; None: there is none."""
        with self._telling(f"looking at {path}"), suppress(FileNotFoundError):
            self._fs.invalidate_cache()  # another host may have written
            return int(self._fs.info(self._at(path))["size"])
        return None

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder, sorted; none where there is no such folder."""
        with self._telling(f"listing {folder}"), suppress(FileNotFoundError):
            self._fs.invalidate_cache()
            found: list[dict[str, Any]] = self._fs.ls(self._at(folder), detail=True)
            return sorted(str(each["name"]).rstrip("/").rpartition("/")[2] for each in found if each.get("type") != "directory")
        return []

    def files(self, folder: str) -> dict[str, int]:
        """Path in the store → bytes of every file below a folder, or of the file of that name; empty where there is neither."""
        with self._telling(f"listing {folder or 'it'}"), suppress(FileNotFoundError):
            self._fs.invalidate_cache()
            begin = len(self._root) + 1
            found: dict[str, dict[str, Any]] = self._fs.find(self._at(folder) if folder else self._root, detail=True)
            return {name[begin:]: int(each.get("size") or 0) for name, each in sorted(found.items())}
        return {}

    def read(self, path: str, limit: int) -> bytes:
        """A small file.

        Raises:
            MissingError: there is none. StoreError: it is longer than `limit`, or cannot be read.
        """
        content = b""
        for piece in self.pieces(path):
            content += piece
            if len(content) > limit:
                raise StoreError(f"store {self.name}: {path} is longer than the {limit} bytes that it may have; push the policy again")
        return content

    def pieces(self, path: str, begin: int = 0) -> Iterator[bytes]:
        """What a file holds from `begin` on.

        Raises:
            MissingError: there is no such file. StoreError: it cannot be read.
        """
        with self._telling(f"reading {path}"):
            try:
                with self._fs.open(self._at(path), "rb") as file:
                    file.seek(begin)
                    while piece := file.read(PIECE_BYTES):
                        yield piece
            except FileNotFoundError as error:
                raise MissingError(f"store {self.name}: no {path}; see ./heron model list") from error

    def put(self, path: str, pieces: Iterable[bytes]) -> None:
        """Writes a file, whole or not at all; one that is there is replaced.

        Raises:
            StoreError: it cannot be written, or has not the length that was written.
        """
        part = f"{PARTS}/{path.replace('/', '_')}.{os.getpid()}.{secrets.token_hex(4)}"
        written = 0
        with self._telling(f"writing {path}"):
            for folder in (part, path):
                self._fs.makedirs(self._at(folder).rpartition("/")[0], exist_ok=True)
            try:
                with self._fs.open(self._at(part), "wb") as file:
                    for piece in pieces:
                        file.write(piece)
                        written += len(piece)
                found = self.size(part)
                if found != written:
                    raise StoreError(f"store {self.name}: of {written} bytes of {path} {found} arrived; push again")
                self._fs.mv(self._at(part), self._at(path))
            except BaseException:
                with suppress(Exception):
                    self._fs.rm_file(self._at(part))
                raise

    def upload(self, path: str, file: Path) -> None:
        """Copies a file of this machine into the store. Unlike `put` it may leave half of it: whoever reads it knows how long it is.

        Raises:
            StoreError: it cannot be written.
        """
        with self._telling(f"writing {path}"):
            self._fs.makedirs(self._at(path).rpartition("/")[0], exist_ok=True)
            self._fs.put_file(str(file), self._at(path))

    def download(self, path: str, file: Path) -> None:
        """Copies a file of the store to this machine, whole or not at all; one that is there is replaced.

        Raises:
            MissingError: the store has none. StoreError: it cannot be read. OSError: it cannot be written here.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            with part.open("wb") as opened:
                for piece in self.pieces(path):
                    opened.write(piece)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)

    def remove(self, folder: str) -> None:
        """Removes a folder with all that is in it, if it is there."""
        with self._telling(f"removing {folder}"), suppress(FileNotFoundError):
            self._fs.rm(self._at(folder), recursive=True)

    def sha256(self, path: str) -> str:
        """Of what a file holds, read back."""
        found = hashlib.sha256()
        for piece in self.pieces(path):
            found.update(piece)
        return found.hexdigest()

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        """Turns whatever a driver raises into one sentence. Drivers have no error in common, so all are caught."""
        try:
            yield
        except HeronError:
            raise
        except Exception as error:
            raise StoreError(f"store {self.name}: {doing} failed: {_line(error)}; is it reachable, and may you?") from error


def _line(error: BaseException) -> str:
    """What an exception says, in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
