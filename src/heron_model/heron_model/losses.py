"""What DriveHeron is taught, and how much each lesson counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from heron_core.trajectory import POINTS, STEP_S
from heron_model.layout import SLOTS
from heron_model.model import WORDS, Output

# Errors count relative to these: (at once, more per second) of x, y, yaw and speed.
# The first second or two of a plan are driven, so they must be exact.
AT_ONCE, SCALE = (1.0, 0.4, 0.05, 2.0), (4.0, 0.9, 0.15, 1.5)
TIMES = tuple((k + 1) * STEP_S for k in range(POINTS))
SOON = round(1.0 / STEP_S) - 1  # the point in a second
EASY_MPS2 = 0.5  # braking that counts as driving on
# Who is ahead: a metre counts the more the nearer it is. Gaps in units of `town.labels.LEAD_SCALE`, so 0.1 are 4 m.
GAP_ROOM, EXACT = 0.1, 0.02
LEAST_SCALE = 0.25
ALONG = (True, False, False, True)  # of x, y, yaw and speed those that tell how far the car comes


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts.

    Attributes:
        trajectory: smooth L1 of x, y, yaw and speed, each over its scale at that time.
        columns: how much x, y, yaw and speed count.
        thoughts: cross-entropy per slot.
        speech: cross-entropy of words.
        dense: depth, actors, own lane per patch.
        where, lamp: place and state of our traffic light in the branch of high resolution.
        lead: distance and speed of who is ahead; an error of the distance counts relative to it.
        near: gap to who is ahead (in units of `town.labels.LEAD_SCALE`) from which on, the nearer, errors of x and speed count more, up to four times
            as much: on a free road a metre in two seconds is nothing, behind somebody it is the bumper. 0: nowhere.
        braking: further weight of a sample's trajectory for each m/s² above `EASY_MPS2` by which the expert slows down in the next second. Moments
            in which it must brake hard are few, and a model that learns all alike brakes in them as in the many others: too late.
    """

    trajectory: float = 4.0
    columns: tuple[float, float, float, float] = (1.0, 2.0, 1.5, 0.7)
    thoughts: float = 0.1
    speech: float = 0.1
    dense: float = 0.3
    where: float = 0.05
    lamp: float = 0.4
    lead: float = 0.3
    near: float = 0.6
    braking: float = 0.0


def losses(output: Output, batch: Mapping[str, Tensor], config: LossConfig | None = None) -> dict[str, Tensor]:
    """`total` and its parts before they are weighted; a part whose targets the batch lacks is absent.

    Args:
        output: of the model.
        batch: see `sample_reader.collate`.
        config: weights.
    """
    config = config or LossConfig()
    weight = batch.get("weight", torch.ones(len(batch["command"])))
    parts: dict[str, Tensor] = {}
    scale = output.trajectory.new_tensor(SCALE) * output.trajectory.new_tensor(TIMES)[:, None] + output.trajectory.new_tensor(AT_ONCE)
    columns = output.trajectory.new_tensor(config.columns)
    if config.near and "lead" in batch:
        scale = torch.where(torch.tensor(ALONG, device=scale.device), scale * _exactness(batch["lead"][:, 0], config.near)[:, None, None], scale)
    known = torch.isfinite(batch["trajectory"]).all(2).all(1)  # text alone has no future
    wanted = torch.nan_to_num(batch["trajectory"])
    error = nn.functional.smooth_l1_loss(output.trajectory / scale, wanted / scale, reduction="none", beta=0.1)
    slows = (batch["ego_hist"][:, -1, 0] - wanted[:, SOON, 3]).clamp(min=0.0)  # over one second, so m/s²
    weight = weight * known * (1.0 + config.braking * (slows - EASY_MPS2).clamp(min=0.0))
    parts["trajectory"] = ((error * columns).mean((1, 2)) * weight).sum() / weight.sum().clamp(min=1e-6)
    for slot, logits, target in zip(SLOTS, output.thoughts.float().split(WORDS, 1), batch["thoughts"].unbind(1), strict=True):
        parts[f"think_{slot.name}"] = _cross_entropy(logits, target)
    total = config.trajectory * parts["trajectory"] + config.thoughts * sum(parts[f"think_{slot.name}"] for slot in SLOTS)
    if output.speech is not None:
        spoken = batch["speech_ids"]
        target = spoken[:, 1:].masked_fill(spoken[:, 1:] == output.pad, -100)
        parts["speech"] = _cross_entropy(output.speech[:, :-1].float().flatten(0, 1), target.flatten())
        total = total + config.speech * parts["speech"]
    if "where" in batch and "where" in output.aux:
        told = batch["lamp"] >= 0
        taught = -(batch["where"] * output.aux["where"].float()).sum(1)
        parts["where"] = (taught * told).sum() / told.sum().clamp(min=1)
        parts["lamp"] = _cross_entropy(output.aux["lamp"].float(), torch.where(told, batch["lamp"], -100))
        total = total + config.where * parts["where"] + config.lamp * parts["lamp"]
    dense = [_mean_error(output.aux[f"dense.{name}"], batch[f"dense_{name}"]) for name in ("front", "narrow") if f"dense_{name}" in batch]
    if dense:
        parts["dense"] = torch.stack(dense).mean()
        total = total + config.dense * parts["dense"]
    if "lead" in batch:
        there = torch.isfinite(batch["lead"]).all(1)
        told = torch.nan_to_num(batch["lead"])
        room = torch.stack([told[:, 0].clamp(min=0.0) + GAP_ROOM, torch.ones_like(told[:, 1])], 1)
        wrong = nn.functional.smooth_l1_loss(output.aux["lead"].float() / room, told / room, reduction="none", beta=EXACT).mean(1)
        parts["lead"] = (wrong * there).sum() / there.sum().clamp(min=1)
        total = total + config.lead * parts["lead"]
    return {"total": total, **parts}


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over those with a target; 0 without any."""
    if not bool((target >= 0).any()):
        return logits.sum() * 0.0
    return nn.functional.cross_entropy(logits, target)


def _exactness(gap: Tensor, near: float) -> Tensor:
    """[B] gaps, NaN where nobody told → what the scales of x and speed are multiplied by."""
    return (torch.nan_to_num(gap, nan=near) / near).clamp(LEAST_SCALE, 1.0)


def _mean_error(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute error of those with a target (not NaN)."""
    there = torch.isfinite(wanted)
    return ((found.float() - torch.nan_to_num(wanted)).abs() * there).sum() / there.sum().clamp(min=1)
