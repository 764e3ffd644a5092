"""What DriveHeron sees and says, without torch: its views, the words of its thoughts, the sizes that data, model, export and policy share."""

from __future__ import annotations

from dataclasses import dataclass

from heron_camera.views import VirtualCamera, pinhole

TEXT_TOKENS = 24  # of an instruction that are read
SPEECH_TOKENS = 32  # of an explanation, its language token and its end included
EGO_COLUMNS = ("speed", "yaw_rate", "accel_x")
EGO_STEPS, EGO_STEP_S = 8, 0.1
MANOEUVRES = ("follow", "left", "right", "straight")
PAST_S = 0.5  # age of the past frame
PAST_INPUTS = ("narrow",)


@dataclass(frozen=True)
class Slot:
    """One thing that is thought before planning: exactly one of its words, all of them single tokens."""

    name: str
    words: tuple[str, ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        """As the tokenizer knows them."""
        return tuple(f"<{self.name}:{word}>" for word in self.words)


# In the order in which they are thought. `intent`: what the sentence asks for; `turn`: what is done at the junction ahead; `reason`: as
# `heron_sim.driving.explain.Reason`.
SLOTS = (
    Slot("intent", ("none", "follow", "left", "right", "straight", "stop", "slow", "declined", "unknown")),
    Slot("signal", ("none", "green", "yellow", "red")),
    Slot("ahead", ("clear", "far", "near", "standing")),
    Slot("turn", MANOEUVRES),
    Slot(
        "reason",
        (
            *("cruise", "start", "curve", "turn", "slow_red", "wait_red", "slow_yellow", "pass_yellow", "start_green", "give_way", "wait_gap"),
            *("start_gap", "wait_exit", "slow_pedestrian", "wait_pedestrian", "start_pedestrian", "follow_car", "wait_car", "start_car"),
            *("follow_cyclist", "pass_cyclist", "pass_obstacle", "stop_obstacle", "cut_in", "slow_guide", "wait_guide", "pass_work"),
            *("brake_hard", "slow_end", "wait_end"),
        ),
    ),
)
LANGUAGES = {"en": "<en>", "ja": "<ja>"}  # the token that begins an explanation
PAD, END = "<pad>", "<end>"
SPECIALS = (PAD, END, *LANGUAGES.values(), *(token for slot in SLOTS for token in slot.tokens))
"""The first ids of every tokenizer, in this order from 0."""


def views() -> tuple[VirtualCamera, ...]:
    """The virtual cameras of every preset that is trained in the world, in the order of their graph inputs `front`, `narrow`, `around`."""
    around = ("CAM_FRONT_LEFT", "CAM_FRONT_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT")
    return (
        pinhole("CAM_FRONT", 160, 96, 110.0, "front"),
        pinhole("CAM_FRONT_NARROW", 256, 160, 38.0, "narrow"),
        *(pinhole(camera, 96, 64, 100.0, "around") for camera in around),
    )
