"""Other ways to say in English what `heron_sim.driving.explain` says: reason → split → patterns."""

from __future__ import annotations

# Word lists: both splits // train only // held-out only.
WORDS = {
    "junction": "junction // intersection // crossing",
    "car_ahead": "car ahead // vehicle ahead|car in front // car in front of us|leading car",
    "person": "pedestrian // person on foot // walker",
    "bike": "cyclist // bicycle // rider",
    "slowing": "slowing down|slowing // braking gently|reducing speed // losing speed",
    "waiting": "waiting // standing still|standing // holding",
    "starting": "starting // moving off|setting off // pulling away",
    "room": "with room to spare // at a safe distance // leaving enough room",
}

PATTERNS: dict[str, dict[str, tuple[str, ...]]] = {
    "cruise": {
        "train": ("driving along the road", "keeping to the lane, the way is free"),
        "held_out": ("going along the free road", "just driving on"),
    },
    "start": {"train": ("moving off", "setting off now"), "held_out": ("pulling away", "beginning to drive")},
    "curve": {
        "train": ("{slowing} because of the curve", "a curve is ahead: {slowing}"),
        "held_out": ("{slowing} as the road bends", "taking the speed down before the curve"),
    },
    "slow_red": {
        "train": ("{slowing} because the light is red", "the light is red: {slowing}", "coming to a stop at the red light"),
        "held_out": ("{slowing} ahead of the red light", "the red light makes me stop soon"),
    },
    "wait_red": {
        "train": ("{waiting} because the light is red", "{waiting} until the light is green", "{waiting} at the red light"),
        "held_out": ("{waiting} here: the light is still red", "stopped until the red light changes"),
    },
    "slow_yellow": {
        "train": ("braking because the light is yellow", "the light has turned yellow: stopping"),
        "held_out": ("coming to a stop, the light went yellow", "stopping on yellow"),
    },
    "pass_yellow": {
        "train": ("driving on: it is too late to stop for the yellow light", "the light is yellow but stopping is no longer safe"),
        "held_out": ("passing on yellow: no safe stop is possible", "continuing, too near to halt at the yellow light"),
    },
    "start_green": {
        "train": ("the light is green: {starting}", "{starting} because the light turned green"),
        "held_out": ("{starting} on green", "green at last: {starting}"),
    },
    "give_way": {
        "train": ("{slowing} because others have priority at the {junction}", "giving way at the {junction}: {slowing}"),
        "held_out": ("{slowing}, the crossing traffic goes first", "letting the others go first at the {junction}: {slowing}"),
    },
    "wait_gap": {
        "train": ("{waiting} until the traffic has passed", "{waiting} for a gap"),
        "held_out": ("{waiting} while the others pass", "no gap in the traffic yet: {waiting}"),
    },
    "start_gap": {
        "train": ("the way is clear: {starting}", "{starting} into the gap"),
        "held_out": ("{starting}, nobody is coming", "the road is free now: {starting}"),
    },
    "wait_exit": {
        "train": ("{waiting} because the exit of the {junction} is full", "keeping the {junction} free: {waiting}"),
        "held_out": ("{waiting}: it is jammed beyond the {junction}", "not entering the {junction}, its far side is full"),
    },
    "slow_pedestrian": {
        "train": ("{slowing} because of the {person}", "a {person} is ahead: {slowing}"),
        "held_out": ("{slowing} as a {person} comes near", "careful with the {person}: {slowing}"),
    },
    "wait_pedestrian": {
        "train": ("{waiting} for the {person} to cross", "letting the {person} cross"),
        "held_out": ("{waiting} while the {person} crosses", "the {person} goes first: {waiting}"),
    },
    "start_pedestrian": {
        "train": ("the {person} has crossed: {starting}", "{starting} because the {person} is off the road"),
        "held_out": ("{starting} now that the {person} is across", "the {person} has passed: {starting}"),
    },
    "follow_car": {
        "train": ("driving behind the {car_ahead}", "keeping my distance to the {car_ahead}"),
        "held_out": ("going at the pace of the {car_ahead}", "staying behind the {car_ahead}"),
    },
    "wait_car": {
        "train": ("{waiting} because the {car_ahead} stands", "{waiting} for the {car_ahead}"),
        "held_out": ("the {car_ahead} has stopped: {waiting}", "{waiting} in the queue"),
    },
    "start_car": {
        "train": ("the {car_ahead} moves: {starting}", "{starting} after the {car_ahead}"),
        "held_out": ("the queue moves: {starting}", "{starting} as the {car_ahead} goes"),
    },
    "follow_cyclist": {
        "train": ("driving behind the {bike}", "staying behind the {bike} for now"),
        "held_out": ("not passing the {bike} yet", "going at the pace of the {bike}"),
    },
    "pass_cyclist": {
        "train": ("overtaking the {bike} {room}", "passing the {bike} {room}"),
        "held_out": ("going past the {bike} {room}", "moving out to overtake the {bike}"),
    },
    "pass_obstacle": {
        "train": ("driving around the obstacle {room}", "moving out to pass what blocks the lane"),
        "held_out": ("going past the obstacle {room}", "steering around the obstacle"),
    },
    "stop_obstacle": {
        "train": ("stopping because the lane is blocked", "something blocks the lane: stopping"),
        "held_out": ("no way past the obstacle: stopping", "coming to a stop before the blocked lane"),
    },
    "cut_in": {
        "train": ("{slowing} because a car cuts in", "a car cuts in: making room"),
        "held_out": ("leaving space for the car that pushed in", "opening the gap after a cut-in"),
    },
    "slow_guide": {
        "train": ("{slowing} because the traffic guide signals", "the traffic guide signals: stopping"),
        "held_out": ("the guide wants me to stop: {slowing}", "coming to a stop as the traffic guide asks"),
    },
    "wait_guide": {
        "train": ("{waiting} until the traffic guide signals", "{waiting} for the guide to wave me on"),
        "held_out": ("{waiting}: the guide has not waved yet", "the traffic guide holds me: {waiting}"),
    },
    "pass_work": {
        "train": ("the guide waves: passing the work zone", "driving past the road works"),
        "held_out": ("going by the work zone as the guide waves", "passing the road works on the guide's sign"),
    },
    "brake_hard": {
        "train": ("emergency braking to avoid a crash", "braking hard: danger ahead"),
        "held_out": ("full braking, a collision threatens", "hitting the brakes to prevent a crash"),
    },
    "slow_end": {
        "train": ("{slowing} because the destination is near", "nearly at the destination: {slowing}"),
        "held_out": ("{slowing}, we are about to arrive", "the goal is close: {slowing}"),
    },
    "wait_end": {
        "train": ("we are at the destination", "arrived at the destination"),
        "held_out": ("we have arrived", "standing where you wanted to go"),
    },
}

# The reason `turn`, by manoeuvre.
TURNS: dict[str, dict[str, tuple[str, ...]]] = {
    "left": {
        "train": ("making the left turn", "taking the {junction} to the left"),
        "held_out": ("going left at the {junction}", "in the left turn"),
    },
    "right": {
        "train": ("making the right turn", "taking the {junction} to the right"),
        "held_out": ("going right at the {junction}", "in the right turn"),
    },
    "straight": {
        "train": ("driving straight over the {junction}", "going straight on at the {junction}"),
        "held_out": ("keeping straight through the {junction}", "straight over the {junction}"),
    },
    "follow": {
        "train": ("driving through the {junction}", "passing the {junction}"),
        "held_out": ("on my way through the {junction}", "in the {junction}"),
    },
}
# How a turn is told with another reason.
WITH_TURN: dict[str, tuple[str, ...]] = {
    "train": ("turning {side}: {said}", "for the {side} turn, {said}"),
    "held_out": ("in the turn to the {side}, {said}", "{said}, then turning {side}"),
}
SIDES = {"left": "left", "right": "right"}
