"""The next policy of a server: found in its folder or in a store, opened beside the one that drives, judged, and switched to between two frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from heron_core.errors import HeronError
from heron_remote.delivery import find
from heron_remote.keys import KeyRing
from heron_remote.pull import pull
from heron_remote.server import PolicyServer
from heron_remote.serving import Serving, check_successor, try_out
from heron_remote.store import Store, StoreError
from heron_vla.folder import PolicyFolder, load_policy
from heron_vla.signature import PolicyError

Signature = tuple[tuple[str, int, int, int], ...]


class Note(NamedTuple):
    """What a person should know: a text, and a short name for programs."""

    text: str
    cause: str


class Source(NamedTuple):
    """A name in a store.

    Attributes:
        store: that is asked.
        name: of the policy there.
        ring: keys that count.
    """

    store: Store
    name: str
    ring: KeyRing


class Follower:
    """Keeps a server at the newest good policy. Whatever is wrong with a new one, the old one drives on. Belongs to one thread.

    Args:
        server: that switches.
        folder: of the policy that it serves; with a `source`, new ones are put there once they are judged.
        ready: opens a policy and warms it up.
        source: None: the folder is watched instead; a change counts once it is the same at two looks.

    Attributes:
        counts: `switched`, `refused`, and `out_of_reach`: looks at which the store could not be read.
    """

    def __init__(self, server: PolicyServer, folder: Path, ready: Callable[[PolicyFolder], Serving], source: Source | None = None) -> None:
        self._server, self._folder, self._ready, self._source = server, folder, ready, source
        self._seen = self._tried = _signature(folder)
        self._newest_ns = 0
        self._retired: Serving | None = None  # let go a look later: not by the thread that plans, whose next plan would wait for it
        self._trouble = ""
        self.counts: Counter[str] = Counter()

    def look(self) -> list[Note]:
        """Looks for a newer policy and switches to it, if it is good; what came of it."""
        self._retired = None
        try:
            new = self._from_folder() if self._source is None else self._from_store(self._source)
        except (HeronError, OSError) as error:
            return self._failed(error)
        self._trouble = ""
        if new is None:
            return []
        self._retired = before = self._server.serving
        self._server.switch(new)
        self.counts["switched"] += 1
        return [
            Note(f"policy {new.folder.spec.name} {new.folder.digest[:12]} answers now, in place of {before.folder.digest[:12]}", "policy_switched")
        ]

    def _from_folder(self) -> Serving | None:
        signature, before = _signature(self._folder), self._seen
        self._seen = signature
        if signature == self._tried or signature != before:  # known, or somebody writes
            return None
        self._tried = signature
        opened = load_policy(self._folder)
        if opened.digest == self._server.serving.folder.digest:
            return None
        new = self._judged(opened)
        if _signature(self._folder) != signature:
            raise PolicyError(f"{self._folder}: changed while it was opened")
        return new

    def _from_store(self, source: Source) -> Serving | None:
        found = find(source.name, source.store, source.ring)
        if found.pushed_ns <= self._newest_ns:  # an older pointer that was put back is no order to go back
            return None
        judged: list[Serving] = []
        if found.manifest.policy != self._server.serving.folder.digest:
            try:
                if not pull(found.manifest, source.store, self._folder, judge=lambda opened: judged.append(self._judged(opened))):
                    judged.append(self._judged(load_policy(self._folder)))
            except HeronError as error:
                if not isinstance(error.__cause__, StoreError):  # a bad policy is not asked for twice, an unreachable one is
                    self._newest_ns = found.pushed_ns
                raise
        self._newest_ns = found.pushed_ns
        return judged[0] if judged else None

    def _judged(self, opened: PolicyFolder) -> Serving:
        check_successor(self._server.serving.folder, opened)
        new = self._ready(opened)
        try_out(new)
        return new

    def _failed(self, error: HeronError | OSError) -> list[Note]:
        reach = isinstance(error, (StoreError, OSError)) or isinstance(error.__cause__, StoreError)
        self.counts["out_of_reach" if reach else "refused"] += 1
        text = str(error)
        if text == self._trouble:  # said once, counted always
            return []
        self._trouble = text
        return [Note(f"{text}; {self._server.serving.folder.digest[:12]} drives on", "policy_out_of_reach" if reach else "policy_refused")]


def _signature(folder: Path) -> Signature:
    """Changes with every file of a folder; () where there is none."""
    try:
        found = sorted(folder.iterdir())
        states = [(path.name, path.stat()) for path in found]
    except OSError:
        return ()
    return tuple((name, state.st_ino, state.st_size, state.st_mtime_ns) for name, state in states)
