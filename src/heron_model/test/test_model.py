"""DriveHeron itself: what it gives, and that a trajectory is one that a car can drive."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_model import CONFIG, toy_model

from heron_core.trajectory import POINTS
from heron_model.layout import SLOTS
from heron_model.losses import LossConfig, losses
from heron_model.model import WORDS, driven

IMAGES = ("front", "narrow", "narrow_past1", "around")


def batch_of(size: int, tokens: int = 3) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    batch = {each.name: torch.randint(0, 255, (size, each.views, 3, each.height, each.width), dtype=torch.uint8) for each in CONFIG.images}
    batch["narrow_past1"] = torch.randint(0, 255, batch["narrow"].shape, dtype=torch.uint8)
    batch |= {
        "ego_hist": torch.rand(size, 8, 3),
        "command": torch.arange(size) % 4,
        "text_ids": torch.randint(56, 64, (size, tokens)),
        "text_mask": torch.ones(size, tokens, dtype=torch.bool),
        "trajectory": torch.rand(size, POINTS, 4),
        "thoughts": torch.zeros(size, len(SLOTS), dtype=torch.int64),
        "speech_ids": torch.tensor([[2, 57, 58, 1]] * size),
        "weight": torch.ones(size),
    }
    return batch


def test_one_forward_pass_and_the_two_graphs_say_the_same() -> None:
    model = toy_model().eval()
    batch = batch_of(2)
    with torch.no_grad():
        whole = model(batch)
        images = {name: batch[name] for name in IMAGES}
        trajectory, thoughts, cache, keep, position = model.prefill(
            images, batch["ego_hist"], batch["command"], batch["text_ids"], batch["text_mask"]
        )
        torch.testing.assert_close(trajectory, whole.trajectory)
        for found, logits in zip(thoughts.split(WORDS, 1), whole.thoughts.split(WORDS, 1), strict=True):
            torch.testing.assert_close(found, logits.softmax(1))
        for word in range(3):
            keep = torch.cat([keep, torch.ones(2, 1, dtype=torch.bool)], 1)
            logits, cache = model.decode(batch["speech_ids"][:, word : word + 1], position + word, keep, cache)
            torch.testing.assert_close(logits, whole.speech[:, word], atol=1e-4, rtol=1e-4)


def test_several_instructions_to_the_same_pictures_are_answered_as_one_by_one() -> None:
    model = toy_model().eval()
    batch = batch_of(4)
    seen = {name: batch[name][:2] for name in IMAGES}
    twice = {name: value.repeat_interleave(2, 0) for name, value in seen.items()}
    with torch.no_grad():
        together, apart = model(batch | seen), model(batch | twice)
    torch.testing.assert_close(together.trajectory, apart.trajectory)
    torch.testing.assert_close(together.thoughts, apart.thoughts)
    assert len(together.aux["dense.front"]) == 2 and len(together.aux["lead"]) == 4


def test_padding_of_a_sentence_changes_nothing() -> None:
    model = toy_model().eval()
    short = batch_of(1, tokens=3)
    long = short | {
        "text_ids": torch.cat([short["text_ids"], torch.zeros(1, 4, dtype=torch.int64)], 1),
        "text_mask": torch.cat([short["text_mask"], torch.zeros(1, 4, dtype=torch.bool)], 1),
    }
    with torch.no_grad():
        torch.testing.assert_close(model(short).trajectory, model(long).trajectory, atol=1e-5, rtol=1e-5)
        assert not torch.allclose(model(short).thoughts, model(short | {"text_ids": short["text_ids"] + 1}).thoughts)


def test_every_input_counts() -> None:
    model = toy_model().eval()
    batch = batch_of(1)
    with torch.no_grad():
        before = model(batch).trajectory
        for name in (*IMAGES, "ego_hist"):
            changed = batch | {name: torch.zeros_like(batch[name])}
            assert not torch.equal(model(changed).trajectory, before), name
        assert not torch.equal(model(batch | {"command": batch["command"] + 1}).trajectory, before)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.0, 20.0))
def test_a_trajectory_never_goes_back_and_speed_and_way_agree(seed: int, speed: float) -> None:
    raw = 2.0 * torch.randn(1, POINTS, 2, generator=torch.Generator().manual_seed(seed))
    points = driven(raw, torch.tensor([speed]))[0]
    assert (points[:, 3] >= 0.0).all()
    places = torch.cat([torch.zeros(1, 2), points[:, :2]])
    speeds = torch.cat([torch.tensor([speed]), points[:, 3]])
    steps = places.diff(dim=0).norm(dim=1)
    torch.testing.assert_close(steps, (speeds[1:] + speeds[:-1]) * 0.05, atol=1e-4, rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.0, 20.0))
def test_what_leaves_the_model_is_never_refused_as_no_motion_of_a_car(seed: int, speed: float) -> None:
    raw = 3.0 * torch.randn(1, POINTS, 2, generator=torch.Generator().manual_seed(seed))
    points = driven(raw, torch.tensor([speed]))[0]
    speeds = torch.cat([torch.tensor([speed]), points[:, 3]])
    assert float(speeds.diff().abs().max()) <= 0.1 * 12.0
    assert float(points[:, 2].diff().abs().max()) <= 0.1 * 1.5


def test_who_stands_does_not_turn_and_still_learns_to_go() -> None:
    raw = torch.full((1, POINTS, 2), -1.0, requires_grad=True)
    points = driven(raw, torch.zeros(1))
    assert not points.detach().any()
    (points[..., 0] - 1.0).square().sum().backward()
    assert (raw.grad[..., 0] < 0.0).any()


def test_losses_leave_out_what_a_sample_does_not_know() -> None:
    model = toy_model().eval()
    batch = batch_of(2)
    batch["trajectory"][1] = float("nan")
    batch["thoughts"][1] = -100
    both = losses(model(batch), batch)
    first = {name: value[:1] for name, value in batch.items()}
    alone = losses(model(first), first)
    assert torch.isfinite(both["total"])
    torch.testing.assert_close(both["trajectory"], alone["trajectory"], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(both["think_signal"], alone["think_signal"], atol=1e-5, rtol=1e-4)


def test_an_error_now_counts_more_than_the_same_error_later() -> None:
    model = toy_model().eval()
    batch = batch_of(1)
    with torch.no_grad():
        output = model(batch)
        found = []
        for k in (4, 34):
            wanted = output.trajectory.clone()
            wanted[0, k, 1] += 0.3
            found.append(float(losses(output, batch | {"trajectory": wanted})["trajectory"]))
    assert found[0] > 3.0 * found[1] > 0.0


def test_behind_somebody_a_metre_along_the_way_counts_more_the_nearer_he_is() -> None:
    model = toy_model().eval()
    batch = batch_of(1)
    with torch.no_grad():
        output = model(batch)

        def found(column: int, gap: float, near: float = 0.6) -> float:
            wanted = output.trajectory.clone()
            wanted[0, 19, column] += 1.0
            asked = batch | {"trajectory": wanted, "lead": torch.tensor([[gap, 0.0]])}
            return float(losses(output, asked, LossConfig(near=near))["trajectory"])

        nobody, unknown = found(0, 1.5), found(0, float("nan"))
        assert nobody == unknown == found(0, 0.6) == found(0, 0.2, near=0.0)  # at 24 m and beyond
        assert found(0, 0.1) > 1.5 * found(0, 0.3) > 2.0 * nobody
        assert found(0, 0.01) == found(0, 0.1)  # and no more than that
        assert found(3, 0.1) > 2.0 * found(3, 1.5)  # speed, too
        assert found(1, 0.1) == found(1, 1.5) and found(2, 0.1) == found(2, 1.5)  # but neither y nor yaw


def test_the_gap_to_who_is_ahead_is_taught_relative_to_it() -> None:
    """In units of 40 m an error of 2 m at 6 m was next to nothing, and was made."""
    model = toy_model().eval()
    batch = batch_of(1)
    with torch.no_grad():
        output = model(batch)

        def found(gap: float, error: float) -> float:
            output.aux["lead"] = torch.tensor([[gap + error, 0.0]])
            return float(losses(output, batch | {"lead": torch.tensor([[gap, 0.0]])})["lead"])

        assert found(0.15, 0.05) > 3.0 * found(1.0, 0.05) > 0.0


def test_where_the_expert_brakes_counts_as_much_more_as_it_brakes_harder() -> None:
    model = toy_model().eval()
    batch = batch_of(2)
    batch["ego_hist"][:, -1, 0] = 6.0
    with torch.no_grad():
        output = model(batch)
        wanted = output.trajectory.clone()
        wanted[:, 9, 3] = torch.tensor([5.8, 3.5])  # in a second: one drives on, one brakes with 2.5 m/s²
        wanted[0, :, 1] += 0.6
        nobody, only = torch.full_like(wanted[0], float("nan")), [wanted.clone(), wanted.clone()]
        only[0][1], only[1][0] = nobody, nobody
        eased, braked = (losses(output, batch | {"trajectory": each})["trajectory"] for each in only)
        for weight in (0.0, 1.5):
            found = losses(output, batch | {"trajectory": wanted}, LossConfig(braking=weight))["trajectory"]
            share = (1.0 + 2.0 * weight) / (2.0 + 2.0 * weight)
            torch.testing.assert_close(found, share * braked + (1.0 - share) * eased)
    assert abs(float(eased - braked)) > 1e-3
