"""What only a simulation knows ↔ ROS messages."""

from __future__ import annotations

from dataclasses import fields

from heron_msgs.msg import Truth as RosTruth
from heron_msgs.msg import TruthActor as RosActor
from heron_msgs.msg import TruthEgo as RosEgo

from heron_core.truth import Actor, ActorKind, EgoTruth, GuideSign, Lamp, Truth
from heron_runtime.convert.stamps import header, to_ns

_ACTOR = tuple(field.name for field in fields(Actor) if field.name not in ("kind", "sign"))
_EGO = tuple(field.name for field in fields(EgoTruth))
_LAMPS = {Lamp.RED: RosTruth.RED, Lamp.YELLOW: RosTruth.YELLOW, Lamp.GREEN: RosTruth.GREEN}
_SHOWN = {number: lamp for lamp, number in _LAMPS.items()}


def truth_to_ros(truth: Truth) -> RosTruth:
    """Truth → heron_msgs/Truth."""
    return RosTruth(
        header=header(truth.stamp_ns, "map"),
        time_ns=truth.time_ns,
        ego=RosEgo(**{name: getattr(truth.ego, name) for name in _EGO}),
        actors=[_actor_to_ros(actor) for actor in truth.actors],
        lamp_groups=list(truth.lamps),
        lamps=bytes(_LAMPS[lamp] for lamp in truth.lamps.values()),
    )


def truth_from_ros(message: RosTruth, topic: str, received_ns: int) -> Truth:
    """heron_msgs/Truth → truth.

    Raises:
        ValueError: an unknown kind, sign or lamp.
    """
    if unknown := set(message.lamps) - set(_SHOWN):
        raise ValueError(f"lamps show {sorted(unknown)}, known are {sorted(_SHOWN)}")
    return Truth(
        int(message.time_ns),
        EgoTruth(**{name: getattr(message.ego, name) for name in _EGO}),
        tuple(_actor_from_ros(actor) for actor in message.actors),
        {int(group): _SHOWN[lamp] for group, lamp in zip(message.lamp_groups, message.lamps, strict=True)},
        to_ns(message.header.stamp),
    )


def _actor_to_ros(actor: Actor) -> RosActor:
    return RosActor(kind=actor.kind.value, sign=actor.sign.value, **{name: getattr(actor, name) for name in _ACTOR})


def _actor_from_ros(message: RosActor) -> Actor:
    return Actor(kind=ActorKind(message.kind), sign=GuideSign(message.sign), **{name: getattr(message, name) for name in _ACTOR})
