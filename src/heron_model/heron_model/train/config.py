"""Settings of a training run; the only home of their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from heron_core.ranges import check_ranges


@dataclass(frozen=True)
class SourceConfig:
    """One source of samples.

    Attributes:
        folder: of samples (`heron_model.samples`).
        ratio: its share of what is trained on, relative to the other sources' ratios; 0: as many as it has samples.
    """

    folder: Path
    ratio: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.ratio < float("inf"):
            raise ValueError(f"ratio {self.ratio} of {self.folder} is not a number of at least 0")


@dataclass(frozen=True)
class MixtureConfig:
    """What is trained on: the content of a sources file."""

    sources: tuple[SourceConfig, ...]

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("sources is empty; name at least one folder of samples")
        folders = [source.folder.resolve() for source in self.sources]
        twice = sorted({str(folder) for folder in folders if folders.count(folder) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is named twice; give it one ratio")
        with_ratio = [source.folder for source in self.sources if source.ratio]
        if with_ratio and len(with_ratio) < len(self.sources):
            raise ValueError("some sources have a ratio and some do not; give all of them one, or none")


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained.

    Attributes:
        samples: trained on in all; the schedule ends with them.
        minutes: instead of `samples`: as many as this machine trains on in this time, measured once at the start and recorded; 0: `samples` counts.
        batch: samples of one step, over all devices.
        asks: instructions that each of them is asked about; its pictures are seen once for all.
        braking: further weight of moments in which the expert brakes (`heron_model.losses.LossConfig`).
        epoch_samples: between two measurements of displacement; 0: as many as the sources have.
        learning_rate: after the warm-up.
        final_rate: share of `learning_rate` that is left at the end of the cosine.
        warm_up: samples during which the rate rises from zero.
        weight_decay: of AdamW, on matrices only.
        clip: largest norm of the gradient.
        ema: the weights that are kept are a moving average with this decay per step; 0: the last ones are kept.
        precision: of matrix products; the weights stay float32.
        checkpoint_min: minutes between checkpoints; 0: after every step.
        log_s: seconds between lines of metrics; 0: after every step.
        threads: of torch on a CPU; 0: its own choice.
        held_out_samples: at most so many are measured on after each epoch, evenly chosen.
        seed: of everything that is drawn.
    """

    samples: int = 100_000
    minutes: float = 0.0
    batch: int = 16
    asks: int = 1
    braking: float = 0.0
    epoch_samples: int = 0
    learning_rate: float = 1e-3
    final_rate: float = 0.02
    warm_up: int = 2_000
    weight_decay: float = 0.05
    clip: float = 1.0
    ema: float = 0.0
    precision: Literal["fp32", "bf16"] = "fp32"
    checkpoint_min: float = 5.0
    log_s: float = 10.0
    threads: int = 0
    held_out_samples: int = 1_500
    seed: int = 0

    def __post_init__(self) -> None:
        check_ranges(
            self,
            ("samples", 1, 10**12),
            ("minutes", 0.0, 1e6),
            ("batch", 1, 1_000_000),
            ("asks", 1, 64),
            ("braking", 0.0, 100.0),
            ("epoch_samples", 0, 10**12),
            ("learning_rate", 0.0, 10.0),
            ("final_rate", 0.0, 1.0),
            ("warm_up", 0, 10**12),
            ("weight_decay", 0.0, 10.0),
            ("clip", 1e-6, 1e6),
            ("ema", 0.0, 0.999999),
            ("checkpoint_min", 0.0, 1e6),
            ("log_s", 0.0, 1e6),
            ("threads", 0, 1024),
            ("held_out_samples", 1, 10**9),
            ("seed", 0, 2**63 - 1),
        )


@dataclass(frozen=True)
class RoundConfig:
    """One round of correction (DAgger): the policy so far drives, the expert says what it would do, and training goes on with that too.

    Attributes:
        drives: of the policy, each in a town of its own.
        samples: trained on in this round.
        learning_rate: after the warm-up.
        warm_up: samples during which the rate rises from zero.
        share: of the samples, those that corrections give, of this round and the rounds before; the rest is what the base was trained on.
    """

    drives: int = 100
    samples: int = 50_000
    learning_rate: float = 5e-4
    warm_up: int = 500
    share: float = 0.35

    def __post_init__(self) -> None:
        check_ranges(
            self,
            ("drives", 1, 10_000),  # the towns of a round have as many seeds
            ("samples", 1, 10**12),
            ("learning_rate", 0.0, 10.0),
            ("warm_up", 0, 10**12),
            ("share", 0.01, 0.99),
        )
