"""What a work zone is made of: the traffic guide, cones, barriers; x forward, the middle of the box on the ground is the origin."""

from __future__ import annotations

import math

from heron_sim.drawing.models_people import RGB, SKINS, WHITE, Rows, ball, head, legs, limb
from heron_sim.drawing.shapes import Form, Material, shape
from heron_sim.truth import GuideSign

ORANGE: RGB = (0.85, 0.16, 0.015)
LIME: RGB = (0.62, 0.80, 0.05)
NAVY: RGB = (0.018, 0.03, 0.085)
RED: RGB = (0.62, 0.015, 0.015)
_REACH_M = 0.58  # from the middle to the tip of a stretched arm's flag
_STRIPE: RGB = (0.80, 0.82, 0.78)


def guide_rows(length_m: float, width_m: float, height_m: float, look: int, sign: GuideSign, wave: float, lights: bool) -> Rows:
    """A traffic guide in helmet and reflective vest.

    STOP: the stop paddle held up at one side, the other arm stretched out to the other side with the red flag (at night a red baton):
    a bar across the lane.
    GO: the paddle is down, a white flag (a green baton) sweeps low from one side to the front. Otherwise both arms hang.

    Args:
        length_m: of the box.
        width_m: of the box; the stretched arm and the paddle reach its sides, or `_REACH_M` where it is narrower.
        height_m: of the box: top of the helmet or of the paddle.
        look: of the person.
        sign: what he shows.
        wave: phase of the waving, radians.
        lights: batons shine.
    """
    half = max(width_m / 2.0, _REACH_M)
    tall = height_m - 0.10  # of the helmet's top; the paddle is held a little higher
    scale = tall / 1.75
    skin = SKINS[look % 3]
    rows = head(tall - 0.035, scale, skin, (0.015, 0.013, 0.012))
    rows.append(
        ball(
            (0.0, 0.0, tall - 0.085 * scale),
            (0.135 * scale, 0.112 * scale, 0.085 * scale),
            (0.80, 0.80, 0.77) if look % 2 else (0.80, 0.55, 0.03),
            Material.REFLECTIVE,
        )
    )
    rows.append(
        shape(Form.CYLINDER, Material.PLAIN, (0.03 * scale, 0.0, tall - 0.105 * scale), (0.15 * scale, 0.15 * scale, 0.008), (0.80, 0.80, 0.77))
    )
    shoulder_y, hip = 0.21 * scale, 0.50 * tall
    # Vest over the uniform, with two bands around and two braces.
    rows.append(ball((0.0, 0.0, 0.68 * tall), (0.135 * scale, 0.215 * scale, 0.19 * tall), ORANGE, Material.REFLECTIVE))
    rows.append(shape(Form.CYLINDER, Material.REFLECTIVE, (0.0, 0.0, 0.665 * tall), (0.145 * scale, 0.145 * scale, 0.13 * tall), ORANGE))
    for z in (0.60, 0.69):
        rows.append(ball((0.0, 0.0, z * tall), (0.158 * scale, 0.222 * scale, 0.036 * tall), LIME, Material.REFLECTIVE))
    for y in (0.10, -0.10):
        rows.append(
            shape(
                Form.BOX,
                Material.REFLECTIVE,
                (0.0, y * scale, 0.755 * tall),
                (0.128 * scale, 0.026 * scale, 0.075 * tall),
                LIME,
                taper=(0.25, 0.25, 0.0),
            )
        )
    rows.append(ball((0.0, 0.0, 0.53 * tall), (0.12 * scale, 0.18 * scale, 0.08 * tall), NAVY))
    rows += legs(length_m, hip, 0.10 * scale, 0.0, scale, NAVY, 0.0)
    for y in (0.10, -0.10):
        rows.append(shape(Form.CYLINDER, Material.REFLECTIVE, (0.0, y * scale, 0.22 * tall), (0.074 * scale, 0.074 * scale, 0.03), LIME))
    left = (0.0, shoulder_y, 0.79 * tall)
    right = (0.0, -shoulder_y, 0.79 * tall)
    if sign is GuideSign.STOP:
        rows += _paddle(left, half, height_m, scale, skin)
        hand = (0.05, -min(0.62 * half + 0.06, shoulder_y + 0.55 * scale), 0.785 * tall)
        rows += limb(right, hand, 0.048 * scale, NAVY, 3)
        rows.append(ball(hand, (0.045, 0.055, 0.045), WHITE))
        rows += _baton((hand[0], -half, hand[2]), hand, RED, lights)
        if not lights:
            hang = 0.21
            rows.append(shape(Form.BOX, Material.REFLECTIVE, (hand[0], -half + 0.17, hand[2] - hang), (0.006, 0.165, hang), (0.75, 0.012, 0.012)))
    elif sign is GuideSign.GO:
        swing = math.sin(wave)
        hand = (0.22 + 0.10 * swing, -shoulder_y - 0.10 + 0.16 * swing, 0.56 * tall)
        elbow = (0.04, -shoulder_y - 0.08, 0.64 * tall)
        rows += limb(right, elbow, 0.048 * scale, NAVY, 2) + limb(elbow, hand, 0.042 * scale, NAVY, 2)
        rows.append(ball(hand, (0.05, 0.045, 0.045), WHITE))
        tip = (hand[0] + 0.04, max(hand[1] - 0.28 + 0.30 * swing, -half + 0.02), 0.40 * tall)
        rows += _baton(tip, hand, (0.03, 0.60, 0.16) if lights else WHITE, lights)
        if not lights:
            rows.append(
                shape(Form.BOX, Material.REFLECTIVE, (tip[0] - 0.02, (tip[1] + hand[1]) / 2.0, 0.42 * tall), (0.006, 0.17, 0.15), (0.80, 0.80, 0.78))
            )
        rows += limb(left, (0.0, shoulder_y + 0.06, 0.50 * tall), 0.046 * scale, NAVY, 4)
        rows.append(ball((0.0, shoulder_y + 0.06, 0.47 * tall), (0.045, 0.035, 0.055), WHITE))
    else:
        for y in (1.0, -1.0):
            rows += limb((0.0, y * shoulder_y, 0.79 * tall), (0.03, y * (shoulder_y + 0.06), 0.50 * tall), 0.046 * scale, NAVY, 4)
            rows.append(ball((0.03, y * (shoulder_y + 0.06), 0.47 * tall), (0.045, 0.035, 0.055), WHITE))
    return rows


def _paddle(shoulder: RGB, half: float, height_m: float, scale: float, skin: RGB) -> Rows:
    """A round stop sign on a stick, held up beside the head; its top and side touch the box."""
    radius = 0.19
    y = half - radius - 0.005
    hand = (0.10, min(y, shoulder[1] + 0.28 * scale), shoulder[2] - 0.16)
    elbow = (0.02, shoulder[1] + 0.12 * scale, shoulder[2] - 0.26 * scale)
    z = height_m - radius - 0.002
    rows = limb(shoulder, elbow, 0.048 * scale, NAVY, 2) + limb(elbow, hand, 0.042 * scale, NAVY, 2)
    rows.append(ball(hand, (0.05, 0.045, 0.05), WHITE))
    rows += limb((0.10, hand[1], hand[2] - 0.05), (0.10, y, z - radius), 0.013, (0.6, 0.6, 0.58), 5)
    for thick, r, colour in ((0.010, radius, WHITE), (0.014, radius - 0.022, RED)):
        rows.append(shape(Form.CYLINDER, Material.REFLECTIVE, (0.10, y, z), (r, r, thick), colour, lying=True))
    for dy in (-0.075, 0.0, 0.075):  # the three strokes that its characters are from afar
        rows.append(shape(Form.BOX, Material.REFLECTIVE, (0.10, y + dy, z), (0.018, 0.022, 0.055), WHITE))
    return rows


def _baton(tip: RGB, hand: RGB, colour: RGB, lights: bool) -> Rows:
    if not lights:
        return limb(hand, tip, 0.011, (0.5, 0.42, 0.3), 6)
    bright = tuple(min(3.4 * value + 0.02, 3.0) for value in colour)
    rows = limb(hand, tip, 0.024, (bright[0], bright[1], bright[2]), 6)
    for row in rows:
        row[1] = float(Material.EMISSIVE)
    return rows


def cone_rows(length_m: float, width_m: float, height_m: float) -> Rows:
    """A striped cone on its black foot."""
    rows: Rows = [shape(Form.BOX, Material.PLAIN, (0.0, 0.0, 0.02), (length_m / 2.0, width_m / 2.0, 0.02), (0.02, 0.02, 0.02))]
    slices = 12
    base, top = 0.40 * min(length_m, width_m), 0.028
    tall = (height_m - 0.04) / slices
    for k in range(slices):
        radius = base + (top - base) * (k + 0.5) / slices
        white = k in (4, 5, 8, 9)
        middle = (0.0, 0.0, 0.04 + (k + 0.5) * tall)
        rows.append(shape(Form.CYLINDER, Material.REFLECTIVE, middle, (radius, radius, tall / 2.0 + 0.001), _STRIPE if white else ORANGE))
    return rows


def barrier_rows(length_m: float, width_m: float, height_m: float, blink: bool) -> Rows:
    """A board with yellow and black stripes on two legs, with a lamp that blinks."""
    half, side = length_m / 2.0, width_m / 2.0
    rows: Rows = []
    for y in (side - 0.06, -side + 0.06):
        rows.append(shape(Form.BOX, Material.PLAIN, (0.0, y, 0.42 * height_m), (0.02, 0.02, 0.42 * height_m), (0.5, 0.42, 0.05)))
        rows.append(shape(Form.BOX, Material.PLAIN, (0.0, y, 0.025), (half, 0.03, 0.025), (0.03, 0.03, 0.03)))
    stripes = max(4, 2 * round(width_m / 0.3))
    wide = width_m / stripes
    for low, high in ((0.66, 0.88), (0.32, 0.46)):
        for k in range(stripes):
            colour = (0.80, 0.52, 0.02) if k % 2 == 0 else (0.015, 0.015, 0.015)
            middle = (0.0, -side + (k + 0.5) * wide, 0.5 * (low + high) * height_m)
            rows.append(shape(Form.BOX, Material.REFLECTIVE, middle, (0.025, wide / 2.0, 0.5 * (high - low) * height_m), colour))
    lamp = (0.0, 0.0, 0.94 * height_m)
    rows.append(
        shape(
            Form.CYLINDER,
            Material.EMISSIVE if blink else Material.PAINT,
            lamp,
            (0.05, 0.05, 0.06 * height_m),
            (3.0, 0.25, 0.03) if blink else (0.4, 0.05, 0.02),
        )
    )
    return rows
