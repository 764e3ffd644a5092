"""A policy that is ready to answer, and what another one must be to take its place between two frames."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from heron_core.arrays import read_only
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_remote.config import ServerConfig
from heron_vla.folder import PolicyFolder
from heron_vla.planning import Mind
from heron_vla.session import OnnxPolicy
from heron_vla.signature import PolicyError
from heron_vla.speech import Speaker


class Serving(NamedTuple):
    """A policy and what thinks with it.

    Attributes:
        folder: the policy.
        mind: as of a planning component.
        backend: what runs it, for the report.
    """

    folder: PolicyFolder
    mind: Mind
    backend: str = ""


def open_serving(folder: PolicyFolder, config: ServerConfig) -> Serving:
    """Opens a policy's graphs and warms them up.

    Raises:
        PolicyError: a graph cannot be opened or run.
    """
    thinker = OnnxPolicy(folder, config.providers, config.threads, config.warm_up, config.backend)
    if folder.language is None:
        return Serving(folder, Mind(thinker), thinker.backend)
    reader = OnnxPolicy(folder, config.providers, warm_up=0, backend="onnxruntime")
    return Serving(folder, Mind(thinker, reader, Speaker(folder, config.providers)), thinker.backend)


def check_successor(now: PolicyFolder, new: PolicyFolder) -> None:
    """Whether a policy may follow another while vehicles drive, which go on making images and histories for the one that they opened.

    Raises:
        PolicyError: it wants or gives something else; the text says what.
    """
    other = now.unlike(new) + (["text"] if _reads(now) != _reads(new) else [])
    if other:
        raise PolicyError(
            f"policy {new.digest[:12]} has other {', '.join(other)} than {now.digest[:12]}, which vehicles drive with; "
            "start both ends anew with it, or export it with the same"
        )


def try_out(serving: Serving) -> None:
    """Lets a policy plan, read and speak once, on blank images and a car at rest.

    Raises:
        PolicyError: it fails, or its plan is not finite.
    """
    folder, mind = serving.folder, serving.mind
    images = {name: read_only(np.zeros(shape, np.uint8)) for name, shape in folder.image_shapes.items()}
    count = len(folder.views)
    frames = FrameSet(0, "", tuple(view.camera for view in folder.views), (0,) * count, (False,) * count, images)
    ego = np.zeros((folder.spec.ego_history.steps, len(folder.spec.ego_history.columns)), np.float32)
    request = PolicyInput(frames, ego, 0, "", (frames,) * (folder.spec.history.steps - 1))
    answer = mind.thinker.answer(request)
    if answer.points.shape != (folder.spec.horizon.points, 4) or not np.isfinite(answer.points).all():
        raise PolicyError(f"policy {folder.spec.name} plans {answer.points.shape} or something not finite on blank images")
    if mind.reader is not None:
        mind.reader.answer(request)
    if mind.voice is not None and answer.memory is not None:
        mind.voice.say(answer.memory)


def _reads(folder: PolicyFolder) -> object:
    """What a vehicle relies on of a policy's text: it judges sentences by length and understands thoughts by their words."""
    text = folder.spec.text
    return None if text is None else (text.slots, text.max_tokens)
