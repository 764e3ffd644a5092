"""AdamW with decay on matrices only, and its learning rate as a function of the samples seen."""

from __future__ import annotations

import math

import torch
from torch import nn

from heron_model.train.config import TrainConfig

BETAS = (0.9, 0.95)  # the second as in language models: 0.999 remembers longer than a short run lasts


def make_optimiser(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Of the parameters that train; vectors (biases, gains, single tokens) do not decay."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise ValueError("no parameter of the model can be trained")
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.learning_rate, betas=BETAS)


def learning_rate(config: TrainConfig, seen: int, total: int) -> float:
    """After `seen` of `total` samples: a straight line up during the warm-up (at most a fifth of the run), then half a cosine down."""
    warm_up = min(config.warm_up, total // 5)
    if seen < warm_up:
        return config.learning_rate * (seen + 1) / warm_up
    progress = min(1.0, (seen - warm_up) / max(1, total - warm_up))
    share = config.final_rate + (1.0 - config.final_rate) * (1.0 + math.cos(math.pi * progress)) / 2.0
    return config.learning_rate * share


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step."""
    for group in optimiser.param_groups:
        group["lr"] = rate


class MovingAverage:
    """An exponential moving average of the parameters that train.

    The decay rises with the steps, so that the first ones, which are bad, are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self.values = {name: parameter.detach().clone() for name, parameter in model.named_parameters() if parameter.requires_grad}

    def update(self, model: nn.Module, step: int) -> None:
        """After step number `step`, counted from 1."""
        decay = min(self._decay, (1.0 + step) / (10.0 + step))
        for name, parameter in model.named_parameters():
            if name in self.values:
                self.values[name].lerp_(parameter.detach(), 1.0 - decay)

    def swap(self, model: nn.Module) -> None:
        """Exchanges the averages and the model's parameters; twice gives everything back."""
        for name, parameter in model.named_parameters():
            if name in self.values:
                kept = parameter.detach().clone()
                parameter.detach().copy_(self.values[name])
                self.values[name].copy_(kept)
