"""What a dataset did cost, beside what was estimated; every run adds a line to `accounts.jsonl` of the dataset."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heron_bag.attachments import code_version
from heron_core.errors import InputError
from heron_jadd.config import JaddConfig
from heron_jadd.estimate import Estimate
from heron_jadd.publish import table_bytes
from heron_jadd.tokens import digest

if TYPE_CHECKING:
    from heron_jadd.made import Made

ACCOUNTS = "accounts.jsonl"
COMPARED = ("scenes", "images", "image_bytes", "table_bytes", "cpu_s", "wall_s", "money")
SHOWN = (  # of each: text, unit, digits
    *(("scenes", 1.0, 0), ("images", 1.0, 0), ("MB of images", 1e6, 1), ("MB of tables", 1e6, 1)),
    *(("CPU seconds", 1.0, 1), ("seconds", 1.0, 1), ("money", 1.0, 4)),
)


@dataclass(frozen=True)
class Account:
    """Of one run.

    Attributes:
        estimate: report of the estimate.
        actual: what it came to, by the names of `COMPARED`.
        ratios: actual over estimate; where nothing was estimated 1 if it came to nothing, and None if not.
    """

    estimate: dict[str, Any]
    actual: dict[str, float]
    ratios: dict[str, float | None]

    def report(self) -> dict[str, Any]:
        """JSON."""
        return dataclasses.asdict(self)

    def lines(self) -> list[tuple[str, str, str, str]]:
        """(what, estimate, actual, ratio) to be printed."""
        expected = _expected(self.estimate)
        return [
            (text, f"{expected[name] / unit:,.{digits}f}", f"{self.actual[name] / unit:,.{digits}f}", "-" if ratio is None else f"{ratio:.2f}")
            for (name, ratio), (text, unit, digits) in zip(self.ratios.items(), SHOWN, strict=True)
        ]


def account(estimate: Estimate, made: Made, cpu_s: float, out: Path) -> Account:
    """Compares a run with its estimate.

    Args:
        estimate: made before the run.
        made: what the run did.
        cpu_s: CPU seconds of all its processes.
        out: the dataset.
    """
    expected, tables = _expected(estimate.report()), table_bytes(out)
    # What was written as expected, but for the difference between what there is and what should be.
    written = estimate.written_bytes + (made.image_bytes - estimate.image_bytes) + (tables - estimate.table_bytes)
    actual = {
        "scenes": float(made.scenes),
        "images": float(made.frames),
        "image_bytes": float(made.image_bytes),
        "table_bytes": float(tables),
        "cpu_s": cpu_s,
        "wall_s": made.seconds["whole"],
        "money": estimate.prices.of(cpu_s, max(written, 0.0), estimate.read_bytes + max(written, 0.0))["sum"],
    }
    return Account(estimate.report(), actual, {name: _ratio(actual[name], expected[name]) for name in COMPARED})


def keep(out: Path, found: Account, config: JaddConfig, tag: str = "") -> dict[str, Any]:
    """Appends the account to those of the dataset, whole or not at all; what was written.

    Args:
        out: the dataset.
        found: of the run.
        config: its parameters.
        tag: under which it is kept; "": the folder's name.

    Raises:
        OSError: the disk is full, or not ours; the file is as it was.
    """
    row = {
        "tag": tag or out.resolve().name,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "code": code_version(),
        "parameters": digest(sorted(dataclasses.asdict(config).items())),
        **found.report(),
    }
    line = (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n").encode()
    handle = os.open(out / ACCOUNTS, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":  # power failed in the midst of a line: it stays by itself
            line = b"\n" + line
        if os.write(handle, line) != len(line):  # one call: another run's line cannot come between
            os.ftruncate(handle, size)
            raise OSError(28, "No space left on device", str(out / ACCOUNTS))
        os.fsync(handle)
    finally:
        os.close(handle)
    return row


def accounts(out: Path, tag: str = "") -> list[dict[str, Any]]:
    """Accounts of a dataset, in order; with a tag only those under it.

    Raises:
        InputError: a line is no account; the text says which.
    """
    path = out / ACCOUNTS
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.is_file() else (), 1):
        try:
            row = json.loads(line)
            if not tag or row["tag"] == tag:
                rows.append(row)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: line {number} is no account ({error!r}); remove it to read the others") from error
    return rows


def in_all(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """CPU seconds, wall seconds and money of all runs together."""
    return {name: sum(row["actual"][name] for row in rows) for name in ("cpu_s", "wall_s", "money")}


def _expected(report: dict[str, Any]) -> dict[str, float]:
    return {
        **{name: report[name] for name in COMPARED if name not in ("cpu_s", "money")},
        "cpu_s": sum(report["cpu_s"].values()),
        "money": report["money"]["sum"],
    }


def _ratio(actual: float, expected: float) -> float | None:
    if expected == 0.0:
        return 1.0 if actual == 0.0 else None
    return round(actual / expected, 4)
