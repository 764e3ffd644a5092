"""The presets 1b and 2b: true shapes on no memory at all, and a training step with adapters at their true width."""

import dataclasses
from pathlib import Path

import pytest
import torch
from toy_model import REAL, save_internvl, toy_batch, toy_tokenizer

from heron_model.cameras import views_of
from heron_model.config import ImagesConfig, LoraConfig
from heron_model.export.policy import write_policy
from heron_model.hugging_face import Checkpoint
from heron_model.layout import SPECIALS
from heron_model.lora import add_adapters, merged
from heron_model.losses import losses
from heron_model.model import DriveHeron
from heron_model.presets import load_preset
from heron_model.pretrained import from_internvl
from heron_vla.folder import load_policy

PRESETS = Path(__file__).resolve().parents[3] / "config" / "model"


# What the published checkpoints have: InternVL3-1B-hf 938 million, InternVL3-2B-hf 2.09 billion.
@pytest.mark.parametrize(("name", "published"), [("1b", 938_193_024), ("2b", 2_088_957_440)])
def test_big_presets_have_the_published_shapes(name, published):
    config = load_preset(name, PRESETS)
    with torch.device("meta"):
        model = DriveHeron(config, config.language.vocabulary + len(SPECIALS), config.language.vocabulary)
    inside = sum(parameter.numel() for parameter in [*model.vlm.parameters(), model.speech_head.weight])
    assert inside - 2 * len(SPECIALS) * config.language.hidden == published
    assert len(views_of(config)) == 7


def trained_steps(model, batch, steps, rate):
    optimiser = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], rate)
    totals = []
    model.train()
    for _ in range(steps):
        torch.manual_seed(0)  # the same features are forgotten in every step
        total = losses(model(batch), batch)["total"]
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        totals.append(float(total.detach()))
    return totals


@pytest.mark.slow
def test_the_1b_preset_takes_lora_steps_in_bfloat16():
    """True widths; one layer of 24 each, few words and small pictures, so that it takes seconds on a CPU."""
    true = load_preset("1b", PRESETS)
    config = dataclasses.replace(
        true,
        images=tuple(ImagesConfig(each.name, each.views, 56, 56) for each in true.images),
        vision=dataclasses.replace(true.vision, layers=1),
        language=dataclasses.replace(true.language, layers=1, vocabulary=256),
    )
    torch.manual_seed(0)
    model = add_adapters(DriveHeron(config, 256 + len(SPECIALS), 256), config.lora).to(torch.bfloat16)
    frozen = {name: value.detach().clone() for name, value in model.named_parameters() if not value.requires_grad}
    assert any("q_proj.base_layer" in name for name in frozen) and any("lora_A" in name for name, _ in model.named_parameters())
    before = {name: value.detach().clone() for name, value in model.named_parameters() if "lora_B" in name}
    totals = trained_steps(model, toy_batch(model), 3, 1e-4)
    assert totals[-1] < 0.9 * totals[0]
    now = dict(model.named_parameters())
    assert all(torch.equal(now[name], value) for name, value in frozen.items())
    moved = [name for name, value in before.items() if not torch.equal(now[name], value)]
    assert any("vision_tower" in name for name in moved) and any("language_model" in name for name in moved)


@pytest.mark.slow
def test_adapters_are_merged_into_what_they_adapt(tmp_path):
    config = dataclasses.replace(REAL, lora=LoraConfig(rank=2), checkpoint=str(save_internvl(tmp_path / "internvl")))
    model = add_adapters(from_internvl(config, tmp_path / "tokenizer.json"), config.lora)
    batch = toy_batch(model)
    trained_steps(model, batch, 3, 1e-2)
    model.eval()
    whole = merged(model)
    with torch.no_grad():
        torch.testing.assert_close(whole(batch).trajectory, model(batch).trajectory, atol=1e-4, rtol=1e-4)
    assert not any("lora" in name for name, _ in whole.named_parameters())
    assert merged(whole) is whole


@pytest.mark.slow
def test_an_adapted_checkpoint_exports(tmp_path):
    config = dataclasses.replace(REAL, lora=LoraConfig(rank=2), checkpoint=str(save_internvl(tmp_path / "internvl")))
    model = add_adapters(from_internvl(config, tmp_path / "tokenizer.json"), config.lora)
    trained_steps(model, toy_batch(model), 2, 1e-2)
    whole = merged(model)
    out = write_policy(Checkpoint(whole, tmp_path / "tokenizer.json", views_of(config)), tmp_path / "policy")
    assert load_policy(out).spec.history.steps == 1


def test_a_model_beyond_one_file_is_refused_before_work_begins(tmp_path):
    from heron_model.export.policy import ExportError

    config = load_preset("2b", PRESETS)
    with torch.device("meta"):
        model = DriveHeron(config, config.language.vocabulary + len(SPECIALS), config.language.vocabulary)
    with pytest.raises(ExportError, match=r"2\.10 billion weights do not fit one ONNX file"):
        write_policy(Checkpoint(model, toy_tokenizer(tmp_path / "words.json"), views_of(config)), tmp_path / "policy")
