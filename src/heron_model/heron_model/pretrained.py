"""A real InternVL learns to drive: its checkpoint, in a local folder, becomes a DriveHeron that has not driven yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from heron_core.errors import ConfigError
from heron_model.config import ModelConfig
from heron_model.hugging_face import TOKENIZER, CheckpointError, check_internvl_folder, open_internvl
from heron_model.layout import SPECIALS
from heron_model.model import DriveHeron

NEW_WORD_STD = 0.02  # of what is added to the mean of all words where a word is new


def from_internvl(config: ModelConfig, tokenizer: Path) -> DriveHeron:
    """A model that begins with the checkpoint that `config` names.

    Its vocabulary is extended by `layout.SPECIALS`, its position embedding is fitted to our images once.

    Args:
        config: with `checkpoint`.
        tokenizer: where the extended tokenizer.json is written.

    Raises:
        CheckpointError: the folder is no such checkpoint, or its sizes are not those of `config`.
    """
    folder = Path(config.checkpoint)
    if not config.checkpoint:
        raise ConfigError(f"preset {config.name} needs `checkpoint`, the folder of an InternVL as transformers saves it")
    said = check_internvl_folder(folder)
    _check_sizes(config, folder, said)
    first_special = _extend_tokenizer(folder, tokenizer)
    inside = open_internvl(folder)
    rows = inside.get_input_embeddings().weight.shape[0]
    model = DriveHeron(config, max(rows, first_special + len(SPECIALS)), first_special)
    with torch.no_grad():
        weights = inside.model.state_dict()
        words = weights.pop("language_model.embed_tokens.weight")
        apart = model.vlm.load_state_dict(weights, strict=False)
        if apart.unexpected_keys or apart.missing_keys != ["language_model.embed_tokens.weight"]:
            raise CheckpointError(f"{folder}: weights that DriveHeron does not have, or lacks: {[*apart.unexpected_keys, *apart.missing_keys][:3]}")
        _take_words(model.language_model.get_input_embeddings().weight, words, first_special)
        if not config.language.tied:
            _take_words(model.speech_head.weight, inside.lm_head.weight, first_special)
        learnt = weights["vision_tower.embeddings.position_embeddings"]
        for each in config.images:
            model.eyes.places[each.name].copy_(fitted(learnt, each.height // config.vision.patch, each.width // config.vision.patch))
    return model


def fitted(places: Tensor, rows: int, columns: int) -> Tensor:
    """A position embedding that was learnt on a square, for a grid of other sides.

    Args:
        places: [1, 1 + side², d], that of the whole image first.
        rows: patches of our images from top to bottom.
        columns: and from left to right.

    Returns:
        [1, 1 + rows · columns, d], bicubic as InternVL itself does it.
    """
    whole, grid = places[:, :1], places[:, 1:]
    side = round(grid.shape[1] ** 0.5)
    if (rows, columns) == (side, side):
        return places
    square = grid.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    ours = functional.interpolate(square, size=(rows, columns), mode="bicubic", align_corners=False)
    return torch.cat([whole, ours.permute(0, 2, 3, 1).flatten(1, 2).to(places.dtype)], 1)


def _take_words(ours: Tensor, theirs: Tensor, first_special: int) -> None:
    """Rows of words; what is new begins near the mean of all words, each a little elsewhere."""
    ours[: len(theirs)].copy_(theirs)
    new = ours[min(first_special, len(theirs)) :]
    new.copy_(theirs.mean(0) + NEW_WORD_STD * torch.randn_like(new))


def _extend_tokenizer(folder: Path, out: Path) -> int:
    """Adds our own tokens to a copy of the checkpoint's tokenizer; the id of the first."""
    from tokenizers import AddedToken, Tokenizer

    source = folder / TOKENIZER
    if not source.is_file():
        raise CheckpointError(f"{folder}: {TOKENIZER} is missing; save the checkpoint's fast tokenizer there")
    try:
        words = Tokenizer.from_file(str(source))
    except Exception as error:  # the library raises nothing more precise
        raise CheckpointError(f"{source}: not a tokenizer: {error}") from error
    there = [token for token in SPECIALS if words.token_to_id(token) is not None]
    if there:
        raise CheckpointError(f"{source}: has {there[0]} already, which Heron adds itself; take the checkpoint as it was published")
    words.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    ids = [index for token in SPECIALS if (index := words.token_to_id(token)) is not None]
    if ids != list(range(ids[0], ids[0] + len(ids))):
        raise CheckpointError(f"{source}: new tokens get the scattered ids {ids[:4]} …")
    words.save(str(out))
    return ids[0]


def _check_sizes(config: ModelConfig, folder: Path, said: dict[str, Any]) -> None:
    """Every size that the preset states against the checkpoint's own."""
    from transformers import InternVLConfig

    try:
        theirs = InternVLConfig.from_dict(said)
    except Exception as error:  # pydantic-like validation errors of transformers
        raise CheckpointError(f"{folder / 'config.json'}: not an InternVL's: {str(error).splitlines()[0]}") from error
    sees, speaks = theirs.vision_config, theirs.text_config
    vision, language = config.vision, config.language
    pairs = {
        "vision.hidden": (vision.hidden, sees.hidden_size),
        "vision.layers": (vision.layers, sees.num_hidden_layers),
        "vision.heads": (vision.heads, sees.num_attention_heads),
        "vision.intermediate": (vision.intermediate, sees.intermediate_size),
        "vision.patch": ((vision.patch, vision.patch), tuple(sees.patch_size)),
        "vision.image_size": ((vision.image_size, vision.image_size), tuple(sees.image_size)),
        "vision.qk_norm": (vision.qk_norm, sees.use_qk_norm),
        "vision.attention_bias": (vision.attention_bias, sees.attention_bias),
        "vision.norm": (vision.norm, sees.norm_type),
        "language.kind": (language.kind, speaks.model_type),
        "language.hidden": (language.hidden, speaks.hidden_size),
        "language.layers": (language.layers, speaks.num_hidden_layers),
        "language.heads": (language.heads, speaks.num_attention_heads),
        "language.kv_heads": (language.kv_heads, speaks.num_key_value_heads),
        "language.head_dim": (language.head_dim or language.hidden // language.heads, _head_dim(speaks)),
        "language.intermediate": (language.intermediate, speaks.intermediate_size),
        "language.vocabulary": (language.vocabulary, speaks.vocab_size),
        "language.rope_theta": (language.rope_theta, speaks.rope_parameters["rope_theta"]),
    }
    wrong = [f"{name} = {ours}, the checkpoint has {its}" for name, (ours, its) in pairs.items() if ours != its]
    if wrong:
        raise CheckpointError(f"{folder}: not the model of preset {config.name}: {'; '.join(wrong)}")
    if theirs.downsample_ratio != 0.5 or theirs.vision_feature_layer != -1:
        raise CheckpointError(
            f"{folder}: downsample_ratio {theirs.downsample_ratio}, vision_feature_layer {theirs.vision_feature_layer}: allowed 0.5, -1"
        )


def _head_dim(speaks: Any) -> int:
    found: int = getattr(speaks, "head_dim", None) or speaks.hidden_size // speaks.num_attention_heads
    return found
