"""DriveHerons of a few thousand weights, their words and their batches; an InternVL as small, as transformers saves it."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from heron_model.config import ImagesConfig, LanguageConfig, ModelConfig, VisionConfig
from heron_model.export.graphs import sample_inputs
from heron_model.layout import SLOTS, SPECIALS
from heron_model.model import DriveHeron

WORDS = ["turn", "left", "right", "at", "the", "next", "junction", "because", "light", "is", "red"]
VISION = {"hidden": 32, "layers": 1, "heads": 2, "intermediate": 48}
LANGUAGE = {"hidden": 32, "layers": 2, "heads": 4, "kv_heads": 2, "intermediate": 48}
CONFIG = ModelConfig(
    name="toy",
    images=(ImagesConfig("front", 1, 32, 64), ImagesConfig("narrow", 1, 64, 64, past=1), ImagesConfig("around", 5, 32, 32)),
    vision=VisionConfig(**VISION),
    language=LanguageConfig(**LANGUAGE),
    signal_channels=8,
    plan_queries=2,
)
REAL = ModelConfig(
    name="real",
    images=(ImagesConfig("front", 1, 28, 84), ImagesConfig("narrow", 1, 56, 56), ImagesConfig("around", 5, 28, 28)),
    vision=VisionConfig(stem="patches", patch=14, attention_bias=True, layer_scale=0.1, image_size=56, **VISION),
    language=LanguageConfig(vocabulary=len(WORDS) + 1, tied=False, rope_theta=1e6, image_token=1, **LANGUAGE),
    signal_channels=8,
    plan_queries=2,
)
"""Of the form of the presets 1b and 2b: patches, own output layer, a vocabulary of its own."""


def toy_tokenizer(path: Path, special: bool = True) -> Path:
    """Writes a tokenizer of a few words, Heron's own tokens first (or none of them)."""
    own = SPECIALS if special else ()
    words = Tokenizer(models.WordLevel({token: index for index, token in enumerate([*own, "<unk>", *WORDS])}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in own])
    words.save(str(path))
    return path


def toy_model(config: ModelConfig = CONFIG) -> DriveHeron:
    """With weights that are far from the start: every path counts, batch norms have seen something."""
    torch.manual_seed(3)
    model = DriveHeron(config, len(SPECIALS) + 1 + len(WORDS), config.language.vocabulary)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
            if name.startswith("plan."):
                parameter.mul_(0.3)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.add_(0.1 * torch.randn_like(buffer))
            if name.endswith("running_var"):
                buffer.mul_(1.0 + torch.rand_like(buffer))
    return model.eval()


def toy_batch(model: DriveHeron, size: int = 2) -> dict[str, torch.Tensor]:
    """Inputs and targets of everything that needs no picture of the truth."""
    batch = sample_inputs(model.config, model.vocabulary, size, 4, seed=9)
    batch["trajectory"] = torch.rand(size, 40, 4) * 20.0
    batch["thoughts"] = torch.tensor([[index % len(slot.words) for slot in SLOTS] for index in range(size)])
    batch["speech_ids"] = torch.tensor([[2, 5, 6, 1, 0], [3, 7, 1, 0, 0]])[:size] + model.first_special
    return batch


def save_internvl(folder: Path, config: ModelConfig = REAL) -> Path:
    """An InternVL of random weights with the sizes of `config` in the form of a published one: safetensors, a tokenizer without our tokens."""
    from transformers import InternVLForConditionalGeneration

    from heron_model.model import internvl_config

    torch.manual_seed(4)
    sizes = internvl_config(config, config.language.vocabulary)
    sizes.text_config.pad_token_id = sizes.text_config.eos_token_id = None
    model = InternVLForConditionalGeneration(sizes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    toy_tokenizer(folder / "tokenizer.json", special=False)
    return folder
