"""A model that learns in milliseconds; drop-out, a buffer that moves, samples read with noise: all that a resumed run could lose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from heron_model.train.config import TrainConfig
from heron_model.train.loop import Task
from heron_model.train.sampler import Draw, MixtureSampler

SIZE = 50
CONFIG = TrainConfig(samples=160, batch=8, warm_up=16, learning_rate=0.01, checkpoint_min=0.0, log_s=0.0, seed=5)


class Toy(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(0.2), nn.GELU(), nn.Linear(width, 1))

    def forward(self, batch):
        return self.net(batch["x"])


def losses(output, batch):
    wrong = (output.float() - batch["y"]).square().mean()
    return {"total": wrong, "square": wrong}


def read(draws: Sequence[Draw]) -> dict[str, torch.Tensor]:
    x = np.stack([np.random.default_rng(draw.sample).normal(size=3) + 0.01 * np.random.default_rng(draw.seed).normal(size=3) for draw in draws])
    return {"x": torch.from_numpy(x.astype(np.float32)), "y": torch.from_numpy(x.sum(1, keepdims=True).astype(np.float32))}


def task(sampler: MixtureSampler | None = None, width: int = 16, losses=losses, read=read, evaluate=None, data: str = "a") -> Task:
    torch.manual_seed(0)
    name = lambda draw: f"{'ab'[draw.source]}.parquet:{draw.sample}"  # noqa: E731
    return Task(Toy(width), losses, sampler or MixtureSampler([SIZE, 30], seed=5), read, {"data": data}, evaluate, name)
