"""The card of a policy: what it is, where it comes from, what it can and cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_HEAD = """---
license: apache-2.0
language: [en, ja]
tags: [autonomous-driving, vision-language-action]
---
# {name}

A policy of Heron: {views} camera views, driving features, a manoeuvre and a sentence in; a trajectory of {horizon_s:g} s, what it thinks,
and words in English and Japanese out.

    ./heron drive --policy FOLDER

## What is in this folder
{files}

The views, their sizes and the order of every input and output stand in `policy.yaml`.
{parameters:.1f} million weights, stored as float16 and computed in float32.

## Where it comes from
{origin}

## How well it drives
{metrics}

## Limits
{limits}

## Exported
By {code}. Largest difference between ONNX Runtime and PyTorch: {parity}.
Rounding the weights moved trajectories of random images by at most {rounding_m:g} m.
"""
_PURPOSE = {
    "navigator.onnx": "images and text to trajectory, thoughts and a cache",
    "decode.onnx": "one more word of an explanation",
    "tokenizer.json": "text to tokens and back (library `tokenizers`)",
    "further.safetensors": "what the graphs do not hold and `./heron model train --start FOLDER` needs",
    "policy.yaml": "the contract: what goes in, what comes out",
}


def card(description: Mapping[str, Any], sizes: Mapping[str, int]) -> str:
    """README.md of a policy folder.

    Args:
        description: what policy.yaml says; of its provenance `metrics` and `limits` (a list) have sections of their own.
        sizes: file → bytes.
    """
    provenance = dict(description["provenance"])
    export = provenance.pop("export")
    metrics, limits = provenance.pop("metrics", None), provenance.pop("limits", None)
    return _HEAD.format(
        name=description["name"],
        views=len(description["views"]),
        horizon_s=description["horizon"]["points"] * description["horizon"]["step_s"],
        files=_table(("file", "what it is", "bytes"), [(f"`{name}`", _PURPOSE[name], f"{size:,}") for name, size in sizes.items()]),
        parameters=export["parameters"] / 1e6,
        origin=_told(provenance) or "Nothing is known of its training.",
        metrics=_told(metrics) or "It was not measured. Do not drive it.",
        limits="\n".join(f"- {limit}" for limit in limits) if limits else "- None were written down.",
        code=export["code"],
        parity=", ".join(f"{name} {value:g}" for name, value in export["parity"].items()),
        rounding_m=export["rounding_m"],
    )


def _told(values: Mapping[str, Any] | None) -> str:
    if not values:
        return ""
    rows = [(str(name), value if isinstance(value, str) else _short(value)) for name, value in _flat("", values)]
    return _table(("", ""), rows)


def _flat(prefix: str, values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += _flat(f"{prefix}{name}.", value) if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return found


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(_short, value)) if isinstance(value, list | tuple) else str(value)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)
