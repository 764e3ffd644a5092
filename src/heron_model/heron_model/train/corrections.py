"""Corrections (DAgger): where the policy so far drives in each round, and how what the expert says there is mixed with the rest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from heron_model.town.config import TownDataConfig
from heron_model.train.config import MixtureConfig, RoundConfig, SourceConfig
from heron_model.train.sources import labelled

FIRST_SEED, SEEDS = 200_000, 10_000  # of towns; so many for each round


def correction_drives(number: int, config: RoundConfig) -> TownDataConfig:
    """Drives of round `number`, from 1: all by the policy, in towns where nobody drove before."""
    return TownDataConfig(drives=config.drives, first_seed=FIRST_SEED + number * SEEDS, policy_share=1.0)


def with_corrections(base: MixtureConfig, corrections: Sequence[Path], share: float) -> MixtureConfig:
    """A mixture of which `share` comes from the corrections, in proportion to their sizes, and the rest from `base` as it was mixed."""
    weights = [source.ratio or float(_size(source.folder)) for source in base.sources]
    sizes = [_size(folder) for folder in corrections]
    kept = [SourceConfig(source.folder, (1.0 - share) * weight / sum(weights)) for source, weight in zip(base.sources, weights, strict=True)]
    added = [SourceConfig(folder, share * size / sum(sizes)) for folder, size in zip(corrections, sizes, strict=True)]
    return MixtureConfig((*kept, *added))


def _size(folder: Path) -> int:
    return labelled(sorted(folder.glob("*.parquet")))
