"""Recordings that were given → those that can be used, in the dataset's order, each once; the others with what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from heron_bag.foreign import Foreign
from heron_core.errors import ConfigError, InputError
from heron_jadd.config import JaddConfig
from heron_jadd.quarantine import Quarantined, UnusableError, quarantined
from heron_jadd.recording import Recording, probe
from heron_jadd.split import split


@dataclass
class Intake:
    """What was given.

    Attributes:
        recordings: that have scenes, by time of their first image.
        left_out_s: seconds of them that are in no scene.
        quarantined: the others.
        problems: what is worth knowing of those that can be used, in words.
    """

    recordings: list[Recording] = field(default_factory=list)
    left_out_s: float = 0.0
    quarantined: list[Quarantined] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def take_in(inputs: Sequence[Path], config: JaddConfig, foreign: Foreign | None = None) -> Intake:
    """Looks at each recording.

    Args:
        inputs: where they lie.
        config: cameras, and which scenes there will be.
        foreign: how to read them, if they are not ours.

    Raises:
        InputError: none was given, one is not there, or none can be used; the text says why.
    """
    if not inputs:
        raise InputError("no recording was given")
    missing = [str(path) for path in inputs if not path.exists()]
    if missing:  # a slip of the hand, not of a recording; nothing is lost yet
        raise InputError(f"no such recording: {', '.join(missing)}")
    found = Intake()
    known: dict[str, Recording] = {}
    for path in inputs:
        try:
            recording = probe(path, config.cameras, foreign)
            left_out_s = _has_scenes(recording, config)
        except (InputError, ConfigError, OSError) as error:
            found.quarantined.append(quarantined(path, error))
            continue
        twice = known.setdefault(recording.identity, recording)
        if twice is not recording:
            found.problems.append(f"{path}: the same recording as {twice.path}; taken once")
            continue
        found.left_out_s += left_out_s
        found.problems += [f"{path}: {warning}" for warning in recording.warnings]
    if not known:
        raise InputError("no recording can be used: " + "; ".join(map(str, found.quarantined)))
    found.recordings = sorted(known.values(), key=lambda each: (each.first_ns, each.identity))
    return found


def _has_scenes(recording: Recording, config: JaddConfig) -> float:
    """Seconds of it that are in no scene.

    Raises:
        UnusableError: all of them.
    """
    parts = split(recording, config)
    if not parts.scenes:
        lasts_s = (recording.last_ns - recording.first_ns) / 1e9
        reason = f"no stretch of its {lasts_s:.1f} s with one driver is as long as shortest_s = {config.shortest_s:g}"
        raise UnusableError(f"{recording.path}: no scene: {reason}", "set that lower, or across_engagement")
    return parts.left_out_s
