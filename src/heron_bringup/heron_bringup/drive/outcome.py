"""What every kind of run shares: its outcome, where things are kept, and why no plan was made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heron_bringup.drive.inputs import KINEMATIC
from heron_bringup.drive.result import RunResult
from heron_bringup.paths import repository_root
from heron_core.errors import InputError
from heron_vla.kinematic import ensure_kinematic

Progress = Callable[[str, float, float], None]
"""Gets a unit (s, images, pictures) with what else is to be said, how many are done, and how many there are in all (0: unknown)."""


@dataclass(frozen=True)
class DriveOutcome:
    """What a run ends with: the tree of `report.json`, why the run failed its own criteria (empty when it did not), and whether Ctrl-C ended it."""

    report: dict[str, Any]
    failures: tuple[str, ...]
    stopped: bool = False


def cache_folder() -> Path:
    """Where generated recordings and built policies are kept: `.heron` of the clone, else of the home folder."""
    return (repository_root() or Path.home()) / ".heron"


def policy_folder(policy: str) -> Path:
    """The folder of a policy that the command line names.

    Raises:
        InputError: there is none.
    """
    if policy == KINEMATIC:
        return ensure_kinematic(cache_folder() / "policies")
    folder = Path(policy)
    if not folder.is_dir():
        raise InputError(f"--policy {policy} is neither {KINEMATIC!r} nor a folder")
    return folder


def failures(report: dict[str, Any], result: RunResult) -> tuple[str, ...]:
    """Why a run is not whole."""
    if result.failed or report.get("plans"):
        return result.failed
    return (f"no plan was made: {_why_no_plan(report)}",)


def _why_no_plan(report: dict[str, Any]) -> str:
    blind = [name for name, counts in report.get("cameras", {}).items() if not counts.get("frames")]
    reasons = [f"no frame came from {', '.join(blind)}"] if blind else []
    if not report.get("can", {}).get("rx"):
        reasons.append("no CAN frame was received")
    reasons += [f"{count} refused: {reason}" for reason, count in report.get("plans_refused", {}).items() if count]
    return "; ".join(reasons) or "see the counters in report.json and /events in the recording of the run"
