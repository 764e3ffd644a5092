"""What is really there, at one moment; the types stand in `heron_core.truth`, as /sim/truth carries them."""

from heron_core.truth import Actor, ActorKind, EgoTruth, GuideSign, Lamp, Truth

__all__ = ["Actor", "ActorKind", "EgoTruth", "GuideSign", "Lamp", "Truth"]
