"""The virtual cameras of a model, and how yaml files say them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from heron_camera.views import VirtualCamera, pinhole
from heron_core.errors import ConfigError
from heron_model.config import ModelConfig
from heron_model.layout import views


def views_of(config: ModelConfig) -> tuple[VirtualCamera, ...]:
    """The cameras of `layout.views` at the sizes of this model: each spans from left to right what it does there.

    Raises:
        ConfigError: the model has inputs of images that the layout does not know.
    """
    found = []
    for each in config.images:
        known = [view for view in views() if view.input == each.name]
        if len(known) != each.views:
            raise ConfigError(f"{config.name}: no {each.views} cameras are known for images {each.name!r}; hand over the views that its samples have")
        found += [_resized(view, each.width, each.height) for view in known]
    return tuple(found)


def _resized(view: VirtualCamera, width: int, height: int) -> VirtualCamera:
    if (view.width, view.height) == (width, height):
        return view
    across_deg = 2.0 * math.degrees(math.atan(view.width / 2.0 / view.fx))
    return pinhole(view.camera, width, height, across_deg, view.input, required=view.required)


def check_views_fit(config: ModelConfig, cameras: Sequence[VirtualCamera]) -> None:
    """Whether the views are what the model's graph takes.

    Raises:
        ConfigError: another number, order or size.
    """
    wanted = [(each.name, each.width, each.height) for each in config.images for _ in range(each.views)]
    found = [(view.input, view.width, view.height) for view in cameras]
    if wanted != found:
        raise ConfigError(f"model {config.name} sees {_said(wanted)}, the views are {_said(found)}")


def _said(views_: Sequence[tuple[str, int, int]]) -> str:
    return ", ".join(f"{name} {width}x{height}" for name, width, height in views_)


def views_section(cameras: Sequence[VirtualCamera]) -> list[dict[str, Any]]:
    """As the section `views` of policy.yaml has them."""
    section = []
    for view in cameras:
        entry: dict[str, Any] = {"camera": view.camera, "input": view.input, "width": view.width, "height": view.height}
        entry["k"] = [float(value) for value in (view.fx, view.fy, view.cx, view.cy)]
        if view.rotation_wxyz is not None:
            entry["rotation_wxyz"] = [float(value) for value in view.rotation_wxyz]
        if view.position_m is not None:
            entry["position_m"] = [float(value) for value in view.position_m]
        tolerance = {name: value for name in ("rotation_deg", "translation_m") if (value := getattr(view.tolerance, name)) is not None}
        section.append({**entry, "required": view.required, **({"tolerance": tolerance} if tolerance else {})})
    return section
