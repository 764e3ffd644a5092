"""The latency budget: `config/budget.yaml`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from heron_core.settings import from_mapping, load_yaml

_MS = 1_000_000


@dataclass(frozen=True)
class Budget:
    """Milliseconds that each stage may take; `total` is exposure → CAN."""

    capture: float
    decode: float
    preprocess: float
    inference: float
    speech: float
    total: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value <= 10_000:
                raise ValueError(f"{name} is {value} ms, allowed: above 0, up to 10000")

    @property
    def total_s(self) -> float:
        """Seconds from exposure to CAN: how late a plan arrives in a drive without images."""
        return self.total / 1000.0

    def latency_ns(self) -> dict[str, int]:
        """Stage → simulated latency of a lock-step run."""
        return {
            "capture": round(self.capture * _MS),
            "decode": round(self.decode * _MS),
            "preprocess": round(self.preprocess * _MS),
            "inference": round(self.inference * _MS),
            "speech": round(self.speech * _MS),
        }


def load_budget(path: Path) -> Budget:
    """Reads a budget file; ConfigError names file and key."""
    return from_mapping(Budget, load_yaml(path), str(path))
