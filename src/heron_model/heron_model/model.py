"""DriveHeron: images, driving features, a manoeuvre and a sentence in; thoughts, a trajectory and words out.

One sequence goes through the language model, each position seeing those before it:

    image tokens of every view | traffic-light token | driving features | manoeuvre | sentence | thoughts | plan queries | explanation

A thought is one position per slot of `layout.SLOTS`, read by the language model's own output layer among the words of its slot: what the sentence
asks for, what the light shows, who is ahead, what is done at the junction, why. All are thought at once, and the plan queries behind them see them:
language is the middle representation, at the price of five positions. The explanation is decoded behind the plan, word by word, when somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from heron_core.trajectory import POINTS, STEP_S
from heron_model.config import ModelConfig
from heron_model.layout import EGO_COLUMNS, EGO_STEPS, END, MANOEUVRES, PAD, SLOTS, SPECIALS
from heron_model.vision import SignalBranch, ViewEncoder

SPEED_SCALE, CURVATURE_SCALE = 8.0, 0.1  # metres per second and 1/m: what the head gives is near 1
EGO_SCALE = (10.0, 0.5, 3.0)  # of speed, yaw rate, acceleration
ACCEL_MAX_MPS2, YAW_RATE_MAX_RPS = 7.0, 1.2  # control refuses a plan whole that shows 12 and 1.5
DENSE = ("depth", "actors", "lane")  # per patch: logarithmic depth, share of actors, share of the own lane
WORDS = tuple(len(slot.words) for slot in SLOTS)


@dataclass
class Output:
    """What one forward pass gives.

    Attributes:
        trajectory: [B, 40, 4] x, y, yaw, speed in base_link.
        thoughts: [B, words of all slots] logits, slots in order.
        speech: [B, M, vocabulary] logits of each next word, or None.
        pad: the id that fills up `speech_ids`.
        aux: of each set of pictures `dense.<input>` [P, views, patches, 3], `where` [P, places] log-probabilities, `lamp` [P, 4] logits;
            `lead` [B, 2].
    """

    trajectory: Tensor
    thoughts: Tensor
    speech: Tensor | None = None
    pad: int = 0
    aux: dict[str, Tensor] = field(default_factory=dict)


def internvl_config(config: ModelConfig, vocabulary: int, first_special: int = 0) -> Any:
    """The Hugging Face configuration of the InternVL inside."""
    from transformers import InternVLConfig, InternVLVisionConfig, Qwen2Config, Qwen3Config

    vision, language = config.vision, config.language
    seen = InternVLVisionConfig(
        hidden_size=vision.hidden,
        num_hidden_layers=vision.layers,
        num_attention_heads=vision.heads,
        intermediate_size=vision.intermediate,
        image_size=(vision.image_size, vision.image_size),
        patch_size=(vision.patch, vision.patch),
        use_qk_norm=vision.qk_norm,
        attention_bias=vision.attention_bias,
        norm_type=vision.norm,
        layer_scale_init_value=vision.layer_scale,
    )
    family, more = (
        (Qwen2Config, {}) if language.kind == "qwen2" else (Qwen3Config, {"head_dim": language.head_dim or language.hidden // language.heads})
    )
    said = family(
        hidden_size=language.hidden,
        num_hidden_layers=language.layers,
        num_attention_heads=language.heads,
        num_key_value_heads=language.kv_heads,
        intermediate_size=language.intermediate,
        vocab_size=vocabulary,
        max_position_embeddings=4096,
        rope_theta=language.rope_theta,
        tie_word_embeddings=language.tied,
        bos_token_id=None,
        eos_token_id=first_special + SPECIALS.index(END),
        pad_token_id=first_special + SPECIALS.index(PAD),
        **more,
    )
    return InternVLConfig(
        vision_config=seen, text_config=said, image_token_id=language.image_token, downsample_ratio=0.5, tie_word_embeddings=language.tied
    )


class DriveHeron(nn.Module):
    """The whole model.

    Args:
        config: what it is made of.
        vocabulary: tokens of its tokenizer, those of `layout.SPECIALS` first.
        first_special: id of the first of them; another where a real checkpoint's vocabulary was extended.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, first_special: int = 0) -> None:
        super().__init__()
        from transformers import InternVLModel

        self.config, self.vocabulary, self.first_special = config, vocabulary, first_special
        self.vlm = InternVLModel._from_config(internvl_config(config, vocabulary, first_special), attn_implementation="sdpa")
        self.eyes = ViewEncoder(config, self.vlm.vision_tower, self.vlm.multi_modal_projector)
        d, seen = config.language.hidden, config.vision.hidden
        self.cameras = nn.ParameterDict({each.name: nn.Parameter(torch.randn(each.views, 1, d) * 0.02) for each in config.images})
        self.signals = SignalBranch(config.signal_channels, d) if config.signal_input else None
        self.now = nn.Sequential(nn.Linear(len(EGO_COLUMNS), d), nn.GELU(), nn.Linear(d, d))
        self.before = nn.Sequential(nn.Linear(len(EGO_COLUMNS) * EGO_STEPS, d), nn.GELU(), nn.Linear(d, d))
        self.forgotten = nn.Parameter(torch.zeros(d))
        self.manoeuvre = nn.Embedding(len(MANOEUVRES), d)
        nn.init.normal_(self.manoeuvre.weight, std=0.3)
        self.thought = nn.Parameter(torch.randn(len(SLOTS), d) * 0.1)
        self.query = nn.Parameter(torch.randn(config.plan_queries, d) * 0.1)
        self.plan = nn.Sequential(
            nn.LayerNorm(config.plan_queries * d), nn.Linear(config.plan_queries * d, 256), nn.GELU(), nn.Linear(256, POINTS * 2)
        )
        self.dense = nn.Linear(seen, len(DENSE))
        self.lead = nn.Linear(d, 2)
        if not config.language.tied:
            self.speech_head = nn.Linear(d, vocabulary, bias=False)
        self.register_buffer("ego_scale", torch.tensor(EGO_SCALE), persistent=False)
        ids = [first_special + SPECIALS.index(token) for slot in SLOTS for token in slot.tokens]
        self.register_buffer("word_ids", torch.tensor(ids), persistent=False)

    def train(self, mode: bool = True) -> DriveHeron:
        """As of every module. While a CPU learns, attention is plain: its fused kernels take three times as long on the way back."""
        plain = mode and self.thought.device.type == "cpu"
        self.vlm.set_attn_implementation("eager" if plain else "sdpa")
        super().train(mode)
        return self

    @property
    def pad(self) -> int:
        """The id that fills up a row of words."""
        return self.first_special + SPECIALS.index(PAD)

    @property
    def language_model(self) -> nn.Module:
        """The Hugging Face model inside."""
        found: nn.Module = self.vlm.language_model
        return found

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids → their embeddings."""
        found: Tensor = self.language_model.get_input_embeddings()(ids)
        return found

    def words(self, hidden: Tensor) -> Tensor:
        """Hidden states → logits over the vocabulary."""
        weight = self.language_model.get_input_embeddings().weight if self.config.language.tied else self.speech_head.weight
        return nn.functional.linear(hidden, weight)

    def see(self, images: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """uint8 [B, views, 3, h, w] per graph input → image tokens [B, n, d], and what is read off the patches and lamps."""
        tokens, aux = [], {}
        for spec in self.config.images:
            stack = [images[spec.name], *(images[f"{spec.name}_past{k + 1}"] for k in range(spec.past))]
            batch, views = stack[0].shape[:2]
            now, *past = [normalised(each.flatten(0, 1), self.ego_scale.dtype) for each in stack]
            if self.training:  # convolutions learn faster with channels last
                now, *past = [each.contiguous(memory_format=torch.channels_last) for each in (now, *past)]
            patches, seen = self.eyes(spec, now, past)
            tokens.append((seen.unflatten(0, (batch, views)) + self.cameras[spec.name]).flatten(1, 2))
            aux[f"dense.{spec.name}"] = self.dense(patches).unflatten(0, (batch, views))
            if self.signals is not None and spec.name == self.config.signal_input:
                token, aux["where"], aux["lamp"] = self.signals(now)
                tokens.append(token[:, None])
        return torch.cat(tokens, 1), aux

    def sequence(self, seen: Tensor, ego_hist: Tensor, command: Tensor, text_ids: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Image tokens and the rest → everything up to the plan queries: embeddings [B, S, d], and which of them count [B, S]."""
        batch = seen.shape[0]
        ego = ego_hist.to(self.ego_scale.dtype) / self.ego_scale
        before = self.before(ego.flatten(1))
        if self.training:  # who always knows what it did only goes on doing it
            lost = torch.rand(batch, 1, device=before.device) < 0.5
            before = torch.where(lost, self.forgotten.to(before.dtype), before)
        features = torch.stack([self.now(ego[:, -1]), before, self.manoeuvre(command)], 1)
        asked = torch.cat([self.thought, self.query], 0).expand(batch, -1, -1)
        parts = [seen, features, self.embed(text_ids), asked]
        ones = [torch.ones_like(part[..., 0], dtype=torch.bool) for part in parts]
        ones[2] = text_mask.to(torch.bool)
        return torch.cat([part.to(seen.dtype) for part in parts], 1), torch.cat(ones, 1)

    def forward(self, batch: Mapping[str, Tensor]) -> Output:
        """Thoughts, trajectory, and with `speech_ids` in the batch the logits of every next word of them.

        There may be several instructions to each set of pictures, those of one set together: what is seen is computed once.
        """
        seen, aux = self.see(batch)
        seen = seen.repeat_interleave(len(batch["command"]) // len(seen), 0)
        x, keep = self.sequence(seen, batch["ego_hist"], batch["command"], batch["text_ids"], batch["text_mask"])
        asked, speech = x.shape[1], batch.get("speech_ids")
        if speech is not None:
            x = torch.cat([x, self.embed(speech).to(x.dtype)], 1)
            keep = torch.cat([keep, speech != self.pad], 1)
        hidden = self.think(x, keep, None)
        thoughts, trajectory = self.answers(hidden[:, :asked], batch["ego_hist"])
        aux["lead"] = self.lead(hidden[:, asked - self.config.plan_queries - len(SLOTS) + 2])
        said = self.words(hidden[:, asked:]) if speech is not None else None
        return Output(trajectory, thoughts, said, self.pad, aux)

    def think(self, x: Tensor, keep: Tensor, cache: Any) -> Tensor:
        """The language model over embeddings [B, S, d]; keys that do not count are not seen. → [B, S, d]."""
        length = x.shape[1]
        place = torch.arange(length, device=x.device)
        mask = (place[None, :] <= place[:, None])[None] & keep[:, None, :]
        mask = mask | (place[None, :] == place[:, None])[None]  # a padded position sees itself, else it would be nothing divided by nothing
        bias = torch.where(mask, 0.0, torch.finfo(x.dtype).min).to(x.dtype)[:, None]
        positions = (keep.long().cumsum(1) - 1).clamp(min=0)
        out = self.language_model(inputs_embeds=x, attention_mask=bias, position_ids=positions, past_key_values=cache, use_cache=cache is not None)
        found: Tensor = out.last_hidden_state
        return found

    def answers(self, hidden: Tensor, ego_hist: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states up to the plan queries → thought logits [B, words], trajectory [B, 40, 4]."""
        queries = self.config.plan_queries
        at_slots, at_queries = hidden[:, -queries - len(SLOTS) : -queries], hidden[:, -queries:]
        weight = (self.language_model.get_input_embeddings().weight if self.config.language.tied else self.speech_head.weight)[self.word_ids]
        logits, begin = [], 0
        for slot, count in enumerate(WORDS):
            logits.append(nn.functional.linear(at_slots[:, slot], weight[begin : begin + count]))
            begin += count
        return torch.cat(logits, 1), driven(
            self.plan(at_queries.flatten(1)).unflatten(1, (POINTS, 2)).float(), ego_hist[:, -1, 0].float(), bounded=not self.training
        )

    def prefill(self, images: Mapping[str, Tensor], ego_hist: Tensor, command: Tensor, text_ids: Tensor, text_mask: Tensor) -> tuple[Tensor, ...]:
        """What the graph `navigator` gives: trajectory, thoughts (probabilities within each slot), cache, keep, next_position."""
        from transformers import DynamicCache

        x, keep = self.sequence(self.see(images)[0], ego_hist, command, text_ids, text_mask)
        cache = DynamicCache(config=self.vlm.config.text_config)
        hidden = self.think(x, keep, cache)
        logits, trajectory = self.answers(hidden, ego_hist)
        thoughts = torch.cat([part.softmax(1) for part in logits.split(WORDS, 1)], 1)
        return trajectory, thoughts, _stacked(cache), keep, keep.long().sum(1)

    def decode(self, token: Tensor, position: Tensor, keep: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        """One more word, what the graph `decode` gives.

        Args:
            token: [B, 1] the word before.
            position: [B] of it.
            keep: [B, S + 1] what counts, the word before included.
            cache: [B, layers, 2, kv heads, S, head_dim].

        Returns:
            logits [B, vocabulary] of the next word, cache with S + 1.
        """
        from transformers import DynamicCache

        held = DynamicCache(config=self.vlm.config.text_config)
        for layer in range(self.config.language.layers):
            held.update(cache[:, layer, 0], cache[:, layer, 1], layer)
        x = self.embed(token)
        bias = torch.where(keep, 0.0, torch.finfo(x.dtype).min).to(x.dtype)[:, None, None]
        out = self.language_model(inputs_embeds=x, attention_mask=bias, position_ids=position[:, None], past_key_values=held, use_cache=True)
        return self.words(out.last_hidden_state[:, -1]), _stacked(held)


def driven(raw: Tensor, speed_mps: Tensor, bounded: bool = True) -> Tensor:
    """What the head says → a trajectory that a car can drive.

    The head gives the change of speed since now and the curvature at each step; place and heading follow from them, as of a rear axle that does not
    slip. So speed and way agree, nothing goes backwards, and a standing car does not turn.

    Args:
        raw: [B, 40, 2] change of speed and curvature, over `SPEED_SCALE` and `CURVATURE_SCALE`.
        speed_mps: [B] now.
        bounded: speed changes and the car turns no faster than a car can; while it learns, every error shall be felt where it is made.

    Returns:
        [B, 40, 4] x, y, yaw, speed in base_link.
    """
    now = speed_mps.clamp(min=0.0)[:, None]
    wished = now + raw[..., 0] * SPEED_SCALE
    speed = wished + (wished.clamp(min=0.0) - wished).detach()  # below zero it is zero, but still learns
    if bounded:
        speed = _steady(speed, now)
    way = (torch.cat([now, speed[:, :-1]], 1) + speed) * (0.5 * STEP_S)
    turn = raw[..., 1] * CURVATURE_SCALE * way
    if bounded:
        turn = turn.clamp(-YAW_RATE_MAX_RPS * STEP_S, YAW_RATE_MAX_RPS * STEP_S)
    yaw = turn.cumsum(1)
    middle = yaw - 0.5 * turn
    return torch.stack([(way * middle.cos()).cumsum(1), (way * middle.sin()).cumsum(1), yaw, speed], 2)


def _steady(speed: Tensor, now: Tensor) -> Tensor:
    """Speeds [B, 40] that change by at most `ACCEL_MAX_MPS2`, from [B, 1] on."""
    most, before, found = ACCEL_MAX_MPS2 * STEP_S, now[:, 0], []
    for step in range(POINTS):
        before = torch.maximum(torch.minimum(speed[:, step], before + most), before - most)
        found.append(before)
    return torch.stack(found, 1)


def normalised(image: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 → about -2 … 2."""
    return (image.to(dtype) * (1.0 / 255.0) - 0.5) * 4.0


def _stacked(cache: Any) -> Tensor:
    return torch.stack([torch.stack([layer.keys, layer.values], 1) for layer in cache.layers], 1)
