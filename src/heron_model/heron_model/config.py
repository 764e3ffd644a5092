"""What a DriveHeron is made of: the only home of its defaults. A preset is a yaml file in `config/model/` that overrides them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class ImagesConfig:
    """One graph input of images.

    Attributes:
        name: of the graph input.
        views: cameras in it.
        height, width: pixels of each; multiples of twice the vision encoder's patch.
        past: frame sets before the newest that are seen too.
    """

    name: str
    views: int
    height: int
    width: int
    past: int = 0

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or "_past" in self.name:
            raise ValueError(f"name = {self.name!r}, expected an identifier without _past")
        if not 1 <= self.views <= 16 or not 0 <= self.past <= 3:
            raise ValueError(f"views = {self.views}, past = {self.past}, allowed 1 .. 16 and 0 .. 3")


@dataclass(frozen=True)
class VisionConfig:
    """The vision encoder: InternVL's transformer behind a stem.

    Attributes:
        stem: `patches` (InternVL's own, for real checkpoints) or `convolutions` (stride 2 four times, learns much faster from little data).
        hidden, layers, heads, intermediate: of the transformer.
        patch: pixels of a patch's side; 16 with convolutions.
        qk_norm, attention_bias, norm: as InternVL's configuration has them.
        layer_scale: initial.
        image_size: pixels of the square that a real checkpoint's position embedding was learnt on.
    """

    stem: Literal["patches", "convolutions"] = "convolutions"
    hidden: int = 160
    layers: int = 2
    heads: int = 4
    intermediate: int = 640
    patch: int = 16
    qk_norm: bool = False
    attention_bias: bool = False
    norm: Literal["layer_norm", "rms_norm"] = "layer_norm"
    layer_scale: float = 1.0
    image_size: int = 64

    def __post_init__(self) -> None:
        if self.hidden % self.heads:
            raise ValueError(f"hidden = {self.hidden} is not a multiple of heads = {self.heads}")
        if self.stem == "convolutions" and self.patch != 16:
            raise ValueError(f"patch = {self.patch}, a stem of convolutions makes patches of 16")
        if self.image_size % (2 * self.patch):
            raise ValueError(f"image_size = {self.image_size} is not a multiple of {2 * self.patch} (two patches)")


@dataclass(frozen=True)
class LanguageConfig:
    """The language model.

    Attributes:
        kind: family in `transformers`.
        hidden, layers, heads, kv_heads, intermediate: of it.
        head_dim: of one attention head; 0: hidden / heads.
        vocabulary: rows of a real checkpoint's word embeddings, behind which Heron's own tokens come; 0: there is no checkpoint.
        image_token: what stands for an image where the Hugging Face folder is used for something else.
        rope_theta: of its rotary positions.
        tied: word embeddings are its output layer too.
    """

    kind: Literal["qwen2", "qwen3"] = "qwen2"
    hidden: int = 192
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    intermediate: int = 576
    head_dim: int = 0
    vocabulary: int = 0
    image_token: int = 0
    rope_theta: float = 10000.0
    tied: bool = True

    def __post_init__(self) -> None:
        if self.hidden % self.heads or self.heads % self.kv_heads:
            raise ValueError(f"hidden = {self.hidden}, heads = {self.heads}, kv_heads = {self.kv_heads}: each must divide the one before")


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters in the language model and the vision encoder, which else stay as the checkpoint has them.

    Attributes:
        rank: of the adapters; 0: none, everything is trained.
        alpha: their scale is alpha / rank.
        dropout: of their inputs while training.
        targets: ends of the names of the layers that get one.
    """

    rank: int = 0
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

    def __post_init__(self) -> None:
        if not 0 <= self.rank <= 1024 or self.alpha <= 0.0 or not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"rank = {self.rank}, alpha = {self.alpha}, dropout = {self.dropout}: allowed 0 .. 1024, above 0, 0 .. 1 without 1")


@dataclass(frozen=True)
class ModelConfig:
    """A DriveHeron.

    Attributes:
        name: of the preset.
        images: graph inputs, in order.
        vision, language: see there; between them stands InternVL's adapter (pixel shuffle by two, then two layers).
        signal_input: graph input that a branch of high resolution (stride 8) looks at for traffic lights; empty: none.
        signal_channels: of that branch.
        plan_queries: positions whose outputs make the trajectory.
        checkpoint: folder of a Hugging Face InternVL that it begins with; empty: from random weights.
        lora: adapters, where a checkpoint is to be adapted only.
    """

    name: str = "tiny"
    images: tuple[ImagesConfig, ...] = (
        ImagesConfig("front", 1, 96, 160),
        ImagesConfig("narrow", 1, 160, 256, past=1),
        ImagesConfig("around", 5, 64, 96),
    )
    vision: VisionConfig = field(default_factory=VisionConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    signal_input: str = "narrow"
    signal_channels: int = 64
    plan_queries: int = 8
    checkpoint: str = ""
    lora: LoraConfig = field(default_factory=LoraConfig)

    def __post_init__(self) -> None:
        step = 2 * self.vision.patch
        for each in self.images:
            if each.height % step or each.width % step:
                raise ValueError(f"images {each.name}: {each.height} x {each.width} pixels, but the encoder takes multiples of {step} (two patches)")
        names = [each.name for each in self.images]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"images {names}: expected different names, at least one")
        if self.vision.stem == "patches" and any(each.past for each in self.images):
            raise ValueError("past images are seen by a stem of convolutions only; set past to 0, or stem to convolutions")
        if self.checkpoint and self.vision.stem != "patches":
            raise ValueError("checkpoint: a real one has learnt patches; set vision.stem to patches")
        if self.signal_input and self.signal_input not in names:
            raise ValueError(f"signal_input = {self.signal_input!r}, there are {', '.join(names)}")
        if not 1 <= self.plan_queries <= 64:
            raise ValueError(f"plan_queries = {self.plan_queries}, allowed 1 .. 64")
