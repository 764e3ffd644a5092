"""A policy folder that runs: what it is asked on the way in, its plan and its thoughts on the way out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_vla.backends import PROVIDERS, Choice, open_graph
from heron_vla.contract import (
    CACHE,
    COMMAND_INPUT,
    EGO_INPUT,
    KEEP,
    NEXT_POSITION,
    TEXT_INPUT,
    TEXT_MASK_INPUT,
    THOUGHTS_OUTPUT,
    TRAJECTORY_OUTPUT,
)
from heron_vla.folder import PolicyFolder
from heron_vla.language import Thoughts, Tokens
from heron_vla.signature import PolicyError


@dataclass(frozen=True)
class Memory:
    """What an explanation goes on from: the state of the language model after a plan.

    Attributes:
        cache: (1, layers, 2, kv_heads, S, head_dim) float32.
        keep: (1, S) bool, False where there was no text.
        next_position: (1,) int64.
    """

    cache: NDArray[np.float32]
    keep: NDArray[np.bool_]
    next_position: NDArray[np.int64]


@dataclass(frozen=True)
class Answer:
    """What a policy gives.

    Attributes:
        points: (40, 4) float32: x, y, yaw, speed in base_link at the frame set's stamp.
        thoughts: None of a policy without text.
        memory: None of a policy without text.
    """

    points: NDArray[np.float32]
    thoughts: Thoughts | None = None
    memory: Memory | None = None


class OnnxPolicy:
    """Implements `heron_core.policy.Policy`. Images are read where they lie.

    Attributes:
        folder: the policy.
        image_copies: image buffers that were not at the address where they were made, since start.
    """

    def __init__(
        self, folder: PolicyFolder, providers: Sequence[str] = PROVIDERS, threads: int = 1, warm_up: int = 2, backend: Choice = "auto"
    ) -> None:
        """Opens the graph.

        Args:
            folder: a checked policy folder.
            providers: preferred execution providers of ONNX Runtime.
            threads: CPU threads of one inference.
            warm_up: plans on zeros before the first real one, for each length of text.
            backend: what runs the graph.

        Raises:
            PolicyError: the backend cannot open the graph, or cannot run it.
        """
        self.folder, self.image_copies = folder, 0
        self._graph = open_graph(folder.graph_path, backend, providers, threads, folder.spec.precision)
        ego, horizon, language = folder.spec.ego_history, folder.spec.horizon, folder.language
        self._ego_shape, self._shape = (ego.steps, len(ego.columns)), (1, horizon.points, 4)
        self._outputs = [TRAJECTORY_OUTPUT, *([THOUGHTS_OUTPUT, CACHE, KEEP, NEXT_POSITION] if language else [])]
        self._text: tuple[str, Tokens | None] = ("", language.nothing if language else None)
        shapes = folder.image_shapes
        blank = {name: np.zeros((1, *shape), dtype=np.uint8) for name, shape in shapes.items()}
        blank |= {name: blank[now] for name, (now, _) in folder.past_inputs.items()}
        for text in language.lengths if language else (None,):
            for _ in range(warm_up):
                self._run(blank, np.zeros(self._ego_shape, dtype=np.float32), 0, text)

    @property
    def digest(self) -> str:
        """Of the policy folder."""
        return self.folder.digest

    @property
    def backend(self) -> str:
        """What runs the graph."""
        return self._graph.name

    @property
    def provider(self) -> str:
        """What the graph runs on."""
        return self._graph.provider

    def plan(self, request: PolicyInput) -> NDArray[np.float32]:
        """The plan alone; see `answer`."""
        return self.answer(request).points

    def answer(self, request: PolicyInput) -> Answer:
        """The plan, and what was thought before.

        Raises:
            PolicyError: inputs that are not as declared, or a graph that fails, or an output that is not finite; nothing of it is passed on.
        """
        ego = request.ego_history
        if ego.shape != self._ego_shape or not np.isfinite(ego).all():
            raise PolicyError(f"ego history is {ego.shape} or not finite, the policy wants {self._ego_shape}")
        images, made_at = self._images(request)
        found, read_at = self._run(images, ego, request.command, self._tokens(request.text))
        self.image_copies += sum(read_at[name] != where for name, where in made_at.items())
        points = found[TRAJECTORY_OUTPUT]
        if not np.isfinite(points).all():
            raise PolicyError(f"policy {self.folder.spec.name} gave a plan that is not finite")
        if self.folder.language is None:
            return Answer(points[0])
        shares = found[THOUGHTS_OUTPUT][0]
        if not np.isfinite(shares).all():
            raise PolicyError(f"policy {self.folder.spec.name} gave thoughts that are not finite")
        return Answer(points[0], self.folder.language.thoughts(shares), Memory(found[CACHE], found[KEEP], found[NEXT_POSITION]))

    def _images(self, request: PolicyInput) -> tuple[dict[str, NDArray[np.uint8]], dict[str, int | None]]:
        """Graph input → images with a batch, and where they were made."""
        images: dict[str, NDArray[np.uint8]] = {}
        made_at: dict[str, int | None] = {}
        wanted = {name: (name, 0) for name in self.folder.image_shapes} | self.folder.past_inputs
        for name, (now, steps) in wanted.items():
            shape = self.folder.image_shapes[now]
            if steps > len(request.past):
                raise PolicyError(f"{len(request.past)} older frame sets were given, input {name!r} wants {steps}")
            frames: FrameSet = request.past[steps - 1] if steps else request.frames
            found = frames.images.get(now)
            if found is None or found.shape != shape:
                raise PolicyError(f"frame set has {None if found is None else found.shape} for input {name!r}, the policy wants {shape}")
            images[name], made_at[name] = found[None], frames.addresses.get(now)
        return images, made_at

    def _tokens(self, text: str) -> Tokens | None:
        language = self.folder.language
        if language is not None and text != self._text[0]:
            read = language.read(text)
            if not isinstance(read, Tokens):
                raise PolicyError(f"text of {len(text)} characters cannot be read: {read}")
            self._text = text, read
        return self._text[1]

    def _run(
        self, images: dict[str, NDArray[np.uint8]], ego: NDArray[np.float32], command: int, text: Tokens | None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, int]]:
        inputs: dict[str, NDArray[Any]] = {**images, EGO_INPUT: np.ascontiguousarray(ego[None], dtype=np.float32)}
        inputs[COMMAND_INPUT] = np.array([command], dtype=np.int64)
        if text is not None:
            inputs |= {TEXT_INPUT: text.ids, TEXT_MASK_INPUT: text.mask}
        found, read_at = self._graph.run(inputs, self._outputs)
        if found[TRAJECTORY_OUTPUT].shape != self._shape:
            raise PolicyError(f"{self.folder.graph_path}: gave a plan of {found[TRAJECTORY_OUTPUT].shape}, declared was {self._shape}")
        return found, read_at
