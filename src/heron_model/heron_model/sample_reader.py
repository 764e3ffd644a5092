"""Samples on disk → what the model is trained on: pictures, an instruction that fits, and everything that is taught."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from heron_core.errors import InputError
from heron_core.trajectory import POINTS
from heron_model.asked import Asked, as_given, ask, told_otherwise
from heron_model.config import ModelConfig
from heron_model.layout import EGO_COLUMNS, EGO_STEPS, MANOEUVRES, SLOTS, SPEECH_TOKENS, TEXT_TOKENS, views
from heron_model.others import unpacked
from heron_model.packed import unpack
from heron_model.samples import VIEWS
from heron_model.vision_grid import SIGNAL_STRIDE
from heron_model.words.tokenizer import Tokenizer

LAMPS = ("none", "green", "yellow", "red")
SPEED_NOISE, YAW_RATE_NOISE, ACCEL_NOISE = 0.08, 0.004, 0.25  # standard deviations in training: what sensors add
BRIGHTNESS, TINT = 0.25, 0.08


class Samples:
    """The labelled samples of some folders; `[i]` gives them as they are, `draw` as they are trained on.

    Args:
        folders: of samples, as `samples.yaml` in each tells.
        tokenizer: of the model.
        config: of the model; whose views must be those of the samples.

    Raises:
        InputError: a folder without samples, or a damaged file.
    """

    def __init__(self, folders: Sequence[Path], tokenizer: Tokenizer, config: ModelConfig | None = None) -> None:
        self.tokenizer, self.config = tokenizer, config or ModelConfig()
        self._inputs = [view.input for view in views()]
        self._sizes = [(view.height, view.width) for view in views()]
        self._files: list[Path] = []
        self._tables: list[pa.Table] = []
        self._index: list[tuple[int, int]] = []
        for folder in folders:
            found = sorted(folder.glob("*.parquet"))
            before = len(self._index)
            for path in found:
                self._add(path)
            if len(self._index) == before:
                raise InputError(f"{folder}: no labelled samples in {len(found)} Parquet files; make some with ./heron model data")

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """As it was recorded: the instruction that was in force, no noise."""
        return self._sample(index, None)

    def draw(self, index: int, random: np.random.Generator, asks: int = 1) -> dict[str, Any]:
        """With an instruction, noise and light drawn by `random`.

        Args:
            index: of the sample.
            random: what is drawn is a function of it.
            asks: how often its pictures are asked about. The first time it is told what was done; each further one, which `more` holds, another
                manoeuvre where the expert was asked for one, else the same in other words.
        """
        return self._sample(index, random, asks)

    def name(self, index: int) -> str:
        """For messages: file and row."""
        file, row = self._index[index]
        return f"{self._files[file].name}:{row}"

    def column(self, name: str) -> list[Any]:
        """One column of all labelled samples, for statistics."""
        return [self._tables[file][name][row].as_py() for file, row in self._index]

    def _add(self, path: Path) -> None:
        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: not a readable Parquet file of samples: {error}; delete it, and make the samples again") from error
        missing = sorted({"labelled", "past", "trajectory", "ego_hist", *(f"view_{k}" for k in range(VIEWS))} - set(table.column_names))
        if missing:
            raise InputError(f"{path}: no column {missing[0]!r}, so these are no samples of Heron")
        number = len(self._tables)
        self._files.append(path)
        self._tables.append(table)
        self._index += [(number, row) for row, labelled in enumerate(table["labelled"].to_pylist()) if labelled]

    def _sample(self, index: int, random: np.random.Generator | None, asks: int = 1) -> dict[str, Any]:
        file, number = self._index[index]
        table = self._tables[file]
        row = {name: table[name][number].as_py() for name in table.column_names}
        past = {} if row["past"] < 0 else {f"view_{k}": table[f"view_{k}"][row["past"]].as_py() for k in range(VIEWS)}
        taught = unpack(row["aux"] or b"")
        lead = taught["lead"] if taught else np.full(2, np.nan, np.float32)
        light = None if random is None else _light(random)
        out: dict[str, Any] = self._pictures(row, past, light) | self._asked(row, lead, random) | _seen(row, taught)
        if random is not None and asks > 1:
            others = unpacked(row.get("others"))
            out["more"] = []
            for _ in range(asks - 1):
                other = others[int(random.integers(len(others)))] if others else None
                found = (
                    self._asked(row, lead, random) if other is None else self._asked(row | told_otherwise(other), np.full_like(lead, np.nan), random)
                )
                out["more"].append(found)
        return out

    def _asked(self, row: dict[str, Any], lead: NDArray[np.generic], random: np.random.Generator | None) -> dict[str, Any]:
        """An instruction, what comes of it, and what the car knows of itself."""
        ego = np.array(row["ego_hist"], np.float32).reshape(EGO_STEPS, len(EGO_COLUMNS))
        points = np.array(row["trajectory"], np.float32).reshape(POINTS, 4)
        given = as_given(row) if random is None else ask(row, points, random)
        if random is not None:
            ego = ego + random.normal(0.0, (SPEED_NOISE, YAW_RATE_NOISE, ACCEL_NOISE), ego.shape).astype(np.float32)
        return {
            "ego_hist": np.nan_to_num(ego),
            "command": MANOEUVRES.index(given.manoeuvre),
            "text_ids": self.tokenizer.encode(given.text, TEXT_TOKENS) if given.text else [],
            "trajectory": given.points,
            "thoughts": _thoughts(row, given),
            "speech_ids": self._speech(row, given, random),
            "weight": row["weight"],
            "lead": lead,
        }

    def _pictures(self, row: dict[str, Any], past: dict[str, Any], light: NDArray[np.uint8] | None) -> dict[str, Any]:
        out: dict[str, list[NDArray[np.uint8]]] = {}
        deep = {each.name: each.past for each in self.config.images}
        for k, (name, size) in enumerate(zip(self._inputs, self._sizes, strict=True)):
            out.setdefault(name, []).append(_decode(row[f"view_{k}"], size, light))
            if deep.get(name):
                before = past.get(f"view_{k}") or row[f"view_{k}"]
                out.setdefault(f"{name}_past1", []).append(_decode(before, size, light))
        return {name: np.stack(each) for name, each in out.items()}

    def _speech(self, row: dict[str, Any], given: Asked, random: np.random.Generator | None) -> list[int]:
        japanese = random is not None and random.random() < 0.5
        text = row["japanese"] if japanese else row["english"]
        if not text or not given.told:
            return []
        return self.tokenizer.speech(text, "ja" if japanese else "en", SPEECH_TOKENS)


def collate(samples: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
    """Samples → batch.

    Pictures uint8 [P, views, 3, h, w], and what is read off them (`dense_…`, `lamp`, `where` [P, cells + 1]), once per sample; all else once per
    instruction, those of one sample together. Sentences are padded to the longest, at least one token.
    """
    first = samples[0]
    batch: dict[str, Tensor] = {}
    for name, value in first.items():
        if isinstance(value, np.ndarray) and value.dtype == np.uint8:
            batch[name] = torch.from_numpy(np.stack([each[name] for each in samples]))
    asked = [each for sample in samples for each in (sample, *sample.get("more", ()))]
    for name in ("ego_hist", "trajectory", "lead"):
        batch[name] = torch.from_numpy(np.stack([each[name] for each in asked]).astype(np.float32))
    batch["lamp"] = torch.tensor([each["lamp"] for each in samples])
    for name in ("command", "thoughts"):
        batch[name] = torch.tensor([each[name] for each in asked])
    batch["weight"] = torch.tensor([each["weight"] for each in asked], dtype=torch.float32)
    batch["text_ids"] = _padded([each["text_ids"] for each in asked])
    lengths = torch.tensor([len(each["text_ids"]) for each in asked])
    batch["text_mask"] = torch.arange(batch["text_ids"].shape[1])[None] < lengths[:, None]
    batch["speech_ids"] = _padded([each["speech_ids"] for each in asked])
    for name in ("dense_front", "dense_narrow"):
        taught = next((each[name] for each in samples if name in each), None)
        if taught is not None:
            nothing = np.full_like(taught, np.nan)
            batch[name] = torch.from_numpy(np.stack([each.get(name, nothing) for each in samples]))
    height, width = first["narrow"].shape[-2:]
    places = height // SIGNAL_STRIDE * (width // SIGNAL_STRIDE)
    where = torch.zeros(len(samples), places + 1)
    for k, each in enumerate(samples):
        if each["cells"] is None or not len(each["cells"]):
            where[k, places] = 1.0
        else:
            where[k, torch.from_numpy(each["cells"].astype(np.int64))] = 1.0 / len(each["cells"])
    batch["where"] = where
    return batch


def _seen(row: dict[str, Any], taught: dict[str, NDArray[np.generic]]) -> dict[str, Any]:
    """What is taught about the pictures, whatever is asked."""
    if not taught:
        return {"cells": None, "lamp": -1}
    dense = {name: taught[name][None].astype(np.float32) / 255.0 for name in ("dense_front", "dense_narrow")}
    return {"cells": taught["cells"], "lamp": LAMPS.index(row["signal"]) if row["signal"] in LAMPS else -1} | dense


def _padded(lists: Sequence[Sequence[int]]) -> Tensor:
    longest = max(1, *(len(each) for each in lists))
    out = torch.zeros(len(lists), longest, dtype=torch.int64)
    for k, each in enumerate(lists):
        out[k, : len(each)] = torch.tensor(each, dtype=torch.int64)
    return out


def _decode(data: bytes | None, size: tuple[int, int], light: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """JPEG → RGB (3, h, w); nothing → black."""
    if not data:
        return np.zeros((3, *size), np.uint8)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None or image.shape[:2] != size:
        raise InputError(f"a picture of a sample is {None if image is None else image.shape[:2]} pixels, expected {size}")
    if light is not None:
        image = cv2.LUT(image, light)
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def _light(random: np.random.Generator) -> NDArray[np.uint8]:
    """(1, 256, 3) a table of another brightness and tint."""
    gains = random.uniform(1.0 - BRIGHTNESS, 1.0 + BRIGHTNESS) * random.uniform(1.0 - TINT, 1.0 + TINT, 3)
    table: NDArray[np.uint8] = np.clip(np.arange(256)[:, None] * gains, 0.0, 255.0).astype(np.uint8)[None]
    return table


def _thoughts(row: dict[str, Any], given: Asked) -> list[int]:
    """Index of each slot's word, -100: not known."""
    told = {"intent": given.intent, **{name: row[name] if given.told or name != "reason" else "" for name in ("signal", "ahead", "turn", "reason")}}
    return [slot.words.index(told[slot.name]) if told[slot.name] in slot.words else -100 for slot in SLOTS]
