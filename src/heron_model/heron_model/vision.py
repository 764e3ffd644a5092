"""What DriveHeron sees with: InternVL's vision transformer behind a stem, and a branch of high resolution for traffic lights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heron_model.config import ImagesConfig, ModelConfig

LAMPS = 4  # none, green, yellow, red
SIGNAL_HEADS = 4  # places that the branch looks at at once; the first is taught where the lamp is
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green, blue as shares of full


def _block(inside: int, outside: int, kernel: int, stride: int, dilation: int = 1) -> nn.Sequential:
    pad = dilation * (kernel // 2)
    return nn.Sequential(nn.Conv2d(inside, outside, kernel, stride, pad, dilation, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


class ConvStem(nn.Module):
    """[M, 3, h, w] → [M, hidden, h/16, w/16]; past frames of the same view are added at the first convolution."""

    def __init__(self, hidden: int, past: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 5, 2, 2, bias=False)
        self.past = nn.ModuleList(nn.Conv2d(3, 32, 5, 2, 2, bias=False) for _ in range(past))
        self.norm = nn.BatchNorm2d(32)
        self.rest = nn.Sequential(_block(32, 64, 3, 2), _block(64, 128, 3, 2), _block(128, hidden, 3, 2))

    def forward(self, now: Tensor, past: list[Tensor]) -> Tensor:
        """Normalised pictures, the newest first in `past` → features."""
        x = self.first(now)
        for layer, image in zip(self.past, past, strict=False):
            x = x + layer(image)
        found: Tensor = self.rest(nn.functional.relu(self.norm(x)))
        return found


class SignalBranch(nn.Module):
    """Traffic lights in one view at stride 8: where ours is, what it shows, and a token for the language model.

    Lamps are a few pixels wide; a patch of 16 pixels loses them. Four learnt maps say where to look; each reads the features there. The first
    map is taught where the lamp is, with a place of its own for "there is none".
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _block(3, 24, 5, 2), _block(24, 40, 3, 2), _block(40, 48, 3, 1), _block(48, channels, 3, 2), _block(channels, channels, 3, 1)
        )
        self.around = nn.Sequential(_block(channels + 2, channels, 3, 1, 2), _block(channels, channels, 3, 1, 4))
        self.where = nn.Conv2d(2 * channels, SIGNAL_HEADS, 1)
        self.nowhere = nn.Parameter(torch.zeros(SIGNAL_HEADS))
        self.nothing = nn.Parameter(torch.zeros(2 * channels))
        self.lamp = nn.Linear(2 * channels, LAMPS)
        self.token = nn.Sequential(nn.Linear(SIGNAL_HEADS * 2 * channels, hidden), nn.GELU(), nn.Linear(hidden, hidden))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, 3, h, w] → token [B, hidden], log-probability of the lamp's place [B, h/8 · w/8 + 1] (last: none), lamp logits [B, 4]."""
        near = self.features(image)
        b, _, h, w = near.shape
        y = torch.linspace(-1.0, 1.0, h, dtype=near.dtype, device=near.device).view(1, 1, h, 1).expand(b, 1, h, w)
        x = torch.linspace(-1.0, 1.0, w, dtype=near.dtype, device=near.device).view(1, 1, 1, w).expand(b, 1, h, w)
        seen = torch.cat([near, self.around(torch.cat([near, x, y], 1))], 1)
        where = torch.cat([self.where(seen).flatten(2), self.nowhere.view(1, -1, 1).expand(b, -1, 1)], 2)
        there = where.softmax(2)
        values = torch.cat([seen.flatten(2), self.nothing.view(1, -1, 1).expand(b, -1, 1)], 2)
        read = there @ values.transpose(1, 2)  # [B, heads, 2 channels]
        return self.token(read.flatten(1)), where[:, 0].log_softmax(1), self.lamp(read[:, 0])


class ViewEncoder(nn.Module):
    """All views of all inputs → patches of the vision transformer, and tokens behind the adapter.

    The transformer and the adapter are those of a Hugging Face InternVL, called part by part: its own forward knows square images only.
    """

    def __init__(self, config: ModelConfig, tower: nn.Module, adapter: nn.Module) -> None:
        super().__init__()
        self.config = config
        self._borrowed = (tower, adapter)  # in a tuple: their weights belong to the InternVL that they come from
        tower.embeddings.position_embeddings.requires_grad_(False)  # `places` stand for them
        if config.vision.stem == "convolutions":
            tower.embeddings.patch_embeddings.requires_grad_(False)
        hidden, patch = config.vision.hidden, config.vision.patch
        most = max(each.past for each in config.images)
        self.stem = ConvStem(hidden, most) if config.vision.stem == "convolutions" else None
        self.places = nn.ParameterDict(
            {each.name: nn.Parameter(torch.randn(1, each.height // patch * (each.width // patch) + 1, hidden) * 0.02) for each in config.images}
        )

    def forward(self, spec: ImagesConfig, now: Tensor, past: list[Tensor]) -> tuple[Tensor, Tensor]:
        """One input of images.

        Args:
            spec: of the input.
            now: [M, 3, h, w] normalised.
            past: the same views before, newest first; only a stem of convolutions uses them.

        Returns:
            patches [M, h/patch · w/patch, hidden] and tokens [M, h/(2 patch) · w/(2 patch), language hidden].
        """
        tower, adapter = self._borrowed
        embeddings = tower.embeddings
        if self.stem is not None:
            x = self.stem(now, past).flatten(2).transpose(1, 2)
        else:
            x = embeddings.patch_embeddings.projection(self.as_internvl(now)).flatten(2).transpose(1, 2)
        x = torch.cat([embeddings.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.places[spec.name]
        for layer in tower.encoder.layer:
            x = layer(x)
        patches = tower.layernorm(x)[:, 1:]
        gh, gw = spec.height // self.config.vision.patch, spec.width // self.config.vision.patch
        c = patches.shape[-1]
        # InternVL's pixel shuffle, with its order of rows and columns
        shuffled = patches.reshape(-1, gh, gw // 2, 2 * c).transpose(1, 2).reshape(-1, gw // 2, gh // 2, 4 * c).transpose(1, 2)
        return patches, adapter(shuffled.reshape(-1, (gh // 2) * (gw // 2), 4 * c))

    def as_internvl(self, image: Tensor) -> Tensor:
        """Ours, about -2 … 2, → normalised by ImageNet's means and deviations, as InternVL's own patches learnt them."""
        shares = image * 0.25 + 0.5
        return (shares - shares.new_tensor(IMAGENET_MEAN).view(3, 1, 1)) / shares.new_tensor(IMAGENET_STD).view(3, 1, 1)
