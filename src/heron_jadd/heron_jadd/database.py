"""Where a catalogue lies: an SQLite file in the dataset, or a schema of a PostgreSQL database; and the little in which the two differ.

Statements are written once, in the SQL that both know, with ? for each value.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from heron_core.errors import InputError

CATALOGUE = "catalogue.sqlite"
PLACE = "catalogue.json"  # of a dataset whose catalogue lies elsewhere
SQLITE = "sqlite"
SCHEMES = ("postgresql://", "postgres://")
WAIT_S = 60.0  # for another update of the same catalogue
REACH_S = 10  # for the server
TEXT, WHOLE, REAL = "TEXT", "BIGINT", "DOUBLE PRECISION"
READABLE = ("scenes", "recordings", "datasets", "runs", "accounts")
_FUNCTIONS = ("abs", "count", "like", "max", "min", "nullif")
Value = float | int | str | None


class UnusableError(Exception):
    """A catalogue that is damaged or of an older version: it holds nothing that is not elsewhere, and is to be made anew."""


class NoCatalogueError(InputError):
    """There is none yet."""


@dataclass(frozen=True)
class Session:
    """A connection: of `sqlite3`, or of psycopg."""

    connection: Any
    database: Database

    def execute(self, sql: str, values: Sequence[Value] = ()) -> Any:
        """One statement; the cursor."""
        return self.connection.execute(self.database.spelt(sql), tuple(values))

    def many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """One statement for each row of values."""
        self.connection.cursor().executemany(self.database.spelt(sql), list(rows))

    def names(self, table: str) -> list[str]:
        """Columns of a table."""
        return [each[0] for each in self.execute(f"SELECT * FROM {table} LIMIT 0").description]


class Database(Protocol):
    """Where a catalogue is kept."""

    @property
    def like(self) -> str:
        """LIKE that tells no capital from a small letter, and in which no character but % and _ means another."""

    @property
    def longest_name(self) -> int | None:
        """Bytes that it keeps of a column's name, cutting off the rest without a word; None: all."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Of statements that it cannot do."""

    def spelt(self, sql: str) -> str:
        """A statement, with the marks of the driver."""

    def kind(self, kind: str) -> str:
        """`TEXT`, `WHOLE` or `REAL` as a column has it; text is ordered by its bytes."""

    def writer(self) -> AbstractContextManager[Session]:
        """One transaction, of one process at a time; whoever reads meanwhile sees what was before.

        Raises:
            InputError: it cannot be reached or written. UnusableError: what is there.
        """

    def reader(self) -> AbstractContextManager[Session]:
        """What can do nothing but ask.

        Raises:
            NoCatalogueError: there is none yet. InputError: it cannot be reached.
        """

    def forget(self) -> None:
        """Removes the catalogue."""


@dataclass(frozen=True)
class SqliteFile:
    """A catalogue in a file."""

    path: Path
    like: str = "({} LIKE {})"
    longest_name: int | None = None
    errors: tuple[type[Exception], ...] = (sqlite3.Error, OverflowError)

    def spelt(self, sql: str) -> str:
        """As it is."""
        return sql

    def kind(self, kind: str) -> str:
        """As it is."""
        return kind

    @contextmanager
    def writer(self) -> Iterator[Session]:
        """See `Database`."""
        try:
            connection = sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None)
            try:
                connection.execute("PRAGMA cache_spill = OFF")  # else a large transaction would lock readers out before its end
                connection.execute("BEGIN IMMEDIATE")
                yield Session(connection, self)
                connection.execute("COMMIT")
            finally:
                connection.close()  # rolls back what is not committed
        except sqlite3.OperationalError as error:
            raise InputError(f"{self.path}: cannot be written: {error}") from error
        except sqlite3.DatabaseError as error:
            raise UnusableError(str(error)) from error

    @contextmanager
    def reader(self) -> Iterator[Session]:
        """See `Database`."""
        if not self.path.is_file():
            raise NoCatalogueError(f"{self.path}: there is no catalogue yet")
        # not mode=ro: what a killed update left must be rolled back by the next who opens it, and only they can who may write
        connection = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=rw", uri=True, timeout=WAIT_S, isolation_level=None)
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.set_authorizer(_allowed)
            yield Session(connection, self)
        finally:
            connection.close()

    def forget(self) -> None:
        """See `Database`."""
        self.path.unlink(missing_ok=True)


def _allowed(action: int, one: str | None, two: str | None, *_: object) -> int:
    reads = action == sqlite3.SQLITE_READ and one in READABLE
    calls = action == sqlite3.SQLITE_FUNCTION and two in _FUNCTIONS
    return sqlite3.SQLITE_OK if action == sqlite3.SQLITE_SELECT or reads or calls else sqlite3.SQLITE_DENY


class PostgresSchema:
    """A catalogue in a schema of its own, so that datasets of one database neither wait for each other nor lose rows to each other.

    Args:
        url: of the database, as libpq reads it; without a password.
        schema: its name.

    Raises:
        InputError: not such a URL, or one with a password.
    """

    like = "({} ILIKE {} ESCAPE '')"
    longest_name: int | None = 63

    def __init__(self, url: str, schema: str) -> None:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        try:
            told = conninfo_to_dict(url)
        except psycopg.Error as error:
            raise InputError(f"catalogue: not a URL of PostgreSQL: {_line(error)}; expected postgresql://USER@HOST/DATABASE") from error
        if "password" in told:
            raise InputError(f"catalogue: no password in the URL: {PLACE} keeps it; give it by the file ~/.pgpass or by PGPASSWORD")
        self.url, self.schema = url, schema
        self.errors: tuple[type[Exception], ...] = (psycopg.Error, OverflowError)

    def __str__(self) -> str:
        return f"{self.url}, schema {self.schema}"

    def spelt(self, sql: str) -> str:
        """With %s: neither ? nor % is ever in a statement itself, values are bound."""
        return sql.replace("?", "%s")

    def kind(self, kind: str) -> str:
        """Text is ordered by its bytes, as in SQLite, whatever the language of the database."""
        return f'{TEXT} COLLATE "C"' if kind == TEXT else kind

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        import psycopg

        try:
            # ClientCursor: a server that is to find out kinds of values itself refuses what SQLite understands, e.g. 'a' IS NULL
            connection = psycopg.connect(self.url, autocommit=True, connect_timeout=REACH_S, cursor_factory=psycopg.ClientCursor)
        except psycopg.Error as error:
            raise InputError(f"catalogue {self.url}: cannot be reached: {_line(error)}") from error
        try:
            connection.execute(f"SET search_path TO {self.schema}")
            connection.execute(f"SET lock_timeout TO {round(1000 * WAIT_S)}")
            yield connection
        finally:
            connection.close()  # rolls back what is not committed

    @contextmanager
    def writer(self) -> Iterator[Session]:
        """See `Database`."""
        import psycopg

        with self._connected() as connection:
            try:
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (self.schema,))
                    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self.schema,)).fetchone() is None:
                        connection.execute(f"CREATE SCHEMA {self.schema}")
                    yield Session(connection, self)
            except psycopg.Error as error:
                raise InputError(f"catalogue {self}: cannot be written: {_line(error)}") from error

    @contextmanager
    def reader(self) -> Iterator[Session]:
        """See `Database`."""
        import psycopg

        with self._connected() as connection:
            connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
            with connection.transaction():
                if connection.execute("SELECT to_regclass('scenes')").fetchone()[0] is None:
                    raise NoCatalogueError(f"catalogue {self}: there is none yet")
                yield Session(connection, self)

    def forget(self) -> None:
        """See `Database`."""
        with self._connected() as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")


def _line(error: Exception) -> str:
    """What the server says, in one line."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__


def database_of(out: Path) -> Database:
    """Where the catalogue of a dataset lies.

    Raises:
        InputError: `catalogue.json` is damaged.
    """
    told = _told(out)
    return SqliteFile(out / CATALOGUE) if told is None else PostgresSchema(told["url"], told["schema"])


def place_catalogue(out: Path, place: str) -> Database:
    """Says where the catalogue of a dataset shall lie from now on; it is reached before anything is made.

    Args:
        out: the dataset's folder.
        place: URL of a PostgreSQL database, or "sqlite": the file in the folder.

    Raises:
        InputError: no such place, or a server that cannot be reached.
    """
    path = out / PLACE
    if place == SQLITE:
        path.unlink(missing_ok=True)
        return SqliteFile(out / CATALOGUE)
    if not place.startswith(SCHEMES):
        raise InputError(f"--catalogue {place}: expected {SQLITE}, or postgresql://USER@HOST/DATABASE")
    told = _told(out)
    if told is None or told["url"] != place:
        name = re.sub(r"[^a-z0-9]+", "_", out.resolve().name.lower()).strip("_")[:40]
        told = {"url": place, "schema": f"jadd_{name}_{uuid.uuid4().hex[:8]}", "folder": out.stat().st_ino}
    found = PostgresSchema(told["url"], told["schema"])
    with found._connected():
        pass
    unfinished = path.with_name(f".{PLACE}.{os.getpid()}")
    unfinished.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)
    (out / CATALOGUE).unlink(missing_ok=True)  # it would grow old
    return found


def _told(out: Path) -> dict[str, Any] | None:
    """What `catalogue.json` says; None: nothing, or of the folder that this one is a copy of, whose catalogue is not to be overwritten."""
    path = out / PLACE
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(told["url"], str) and re.fullmatch(r"[a-z0-9_]{1,63}", told["schema"])):
            raise ValueError("neither a URL nor a schema")
        return told if told["folder"] == out.stat().st_ino else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged ({type(error).__name__}: {error}); give --catalogue again, or remove it") from error
