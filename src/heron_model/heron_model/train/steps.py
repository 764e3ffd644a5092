"""The steps of a run that are done, so that none is done twice; and how long each part took, in all sittings."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heron_model.train.checkpoint import differences
from heron_model.train.errors import CheckpointError

FILE = "steps.json"  # in the folder of the run


class Steps:
    """Of the run in `folder`.

    Args:
        folder: of the run.
        resume: what was done counts; else only the time that it took does.

    Raises:
        CheckpointError: the file cannot be read.
    """

    def __init__(self, folder: Path, resume: bool) -> None:
        self._path = folder / FILE
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
            self._done: dict[str, dict[str, Any]] = dict(kept.get("done", {})) if resume else {}
            self._seconds: dict[str, float] = dict(kept.get("seconds", {}))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{self._path}: cannot be read ({error}); remove it, and what is done is looked through again") from error
        self._began_s: dict[str, float] = {}

    def do(self, step: str, what: Mapping[str, Any], result: Path, work: Callable[[], dict[str, Any]], part: str = "") -> dict[str, Any]:
        """Does a step unless it was done; what `work` found, now or then.

        Args:
            step: its name.
            what: JSON that tells this step from the same step of another run.
            result: without this file or folder the step counts as not done.
            work: does it, or goes on with it; what it returns is kept as JSON.
            part: of the table of times; default: the step's name.

        Raises:
            CheckpointError: it was done with another `what`.
        """
        wanted = json.loads(json.dumps(what))
        kept = self._done.get(step)
        if kept is not None and result.exists():
            changed = list(differences(kept["what"], wanted))
            if changed:
                raise CheckpointError(
                    f"{self._path.parent}: {step} was done by another run: {'; '.join(changed[:5])}. Give the same arguments, or another folder"
                )
            return dict(kept["found"])
        with self._timed(part or step):
            found = work()
            self._done[step] = {"what": wanted, "found": found}
        return found

    def minutes(self, part: str) -> float:
        """That a part has taken up to now."""
        running_s = time.monotonic() - self._began_s[part] if part in self._began_s else 0.0
        return (self._seconds.get(part, 0.0) + running_s) / 60

    def at_least(self, part: str, seconds: float) -> None:
        """A part took so long, as it knows itself: a sitting that was killed wrote nothing here."""
        self._seconds[part] = self._seconds.get(part, 0.0) + max(0.0, seconds - self.minutes(part) * 60)

    def times(self) -> Iterator[tuple[str, float]]:
        """Minutes of each part in the order in which they began, and under it, indented, of what it was made up of."""
        for part in self._seconds:
            yield part, self.minutes(part)
            for inside, seconds in self._done.get(part, {}).get("found", {}).get("seconds", {}).items():
                yield f"  {inside.replace('_', ' ')}", seconds / 60

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        self._began_s[part] = time.monotonic()
        try:
            yield
        finally:
            self._seconds[part] = round(self.minutes(part) * 60, 1)
            del self._began_s[part]
            self._write()

    def _write(self) -> None:
        partial = self._path.with_name(f".{FILE}.partial")
        partial.write_text(json.dumps({"done": self._done, "seconds": self._seconds}, indent=1) + "\n", encoding="utf-8")
        partial.replace(self._path)
