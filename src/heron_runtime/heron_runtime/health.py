"""Which components a container expects, has, and lost; pure book-keeping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from heron_runtime.names import bare_name


@dataclass
class StartUp:
    """Start-up and run time of a container.

    Attributes:
        expected: node names, with or without namespace.
        failed: node name → why its load failed.
        errors: node name → exceptions in its callbacks.
    """

    expected: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    def missing(self, loaded: Iterable[str]) -> list[str]:
        """Expected names that none of the `loaded` full names answers to."""
        full = set(loaded)
        bare = {bare_name(name) for name in full}
        return [name for name in self.expected if (name not in full if name.startswith("/") else name not in bare)]

    def load_failed(self, name: str, why: str) -> None:
        """Notes a failed load."""
        self.failed[bare_name(name)] = why

    def load_succeeded(self, name: str) -> None:
        """Forgets an earlier failure of the same name."""
        self.failed.pop(bare_name(name), None)

    def explain(self, loaded: Iterable[str]) -> str:
        """One line: what is missing and why; empty when whole."""
        parts = []
        for name in self.missing(loaded):
            why = self.failed.get(bare_name(name))
            parts.append(f"{name} failed to load: {why}" if why else f"{name} was never loaded")
        return "; ".join(parts)
