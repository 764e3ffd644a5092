"""People on foot and on bicycles; x forward, the middle of the box on the ground is the origin."""

from __future__ import annotations

import math

from heron_sim.drawing.shapes import Form, Material, shape

RGB = tuple[float, float, float]
Rows = list[list[float]]

SKINS: tuple[RGB, ...] = ((0.52, 0.32, 0.22), (0.60, 0.40, 0.29), (0.42, 0.25, 0.16), (0.20, 0.10, 0.06))
HAIR: tuple[RGB, ...] = ((0.012, 0.010, 0.009), (0.03, 0.018, 0.010), (0.10, 0.06, 0.03), (0.32, 0.31, 0.30))
TOPS: tuple[RGB, ...] = (
    (0.62, 0.62, 0.60),
    (0.03, 0.06, 0.20),
    (0.40, 0.05, 0.05),
    (0.06, 0.20, 0.12),
    (0.55, 0.36, 0.06),
    (0.05, 0.05, 0.055),
    (0.20, 0.35, 0.50),
    (0.45, 0.22, 0.30),
    (0.30, 0.30, 0.32),
)
TROUSERS: tuple[RGB, ...] = ((0.02, 0.03, 0.07), (0.03, 0.03, 0.032), (0.22, 0.18, 0.12), (0.10, 0.10, 0.11), (0.05, 0.08, 0.14))
SHOE: RGB = (0.03, 0.028, 0.026)
WHITE: RGB = (0.75, 0.75, 0.73)
STRIDES = 16  # poses of one step


def ball(middle: RGB, half: RGB, colour: RGB, material: Material = Material.SKIN) -> list[float]:
    """An ellipsoid."""
    return shape(Form.ELLIPSOID, material, middle, half, colour)


def limb(start: RGB, end: RGB, thick: float, colour: RGB, pieces: int = 3) -> Rows:
    """A limb from one joint to another as a chain of overlapping balls (shapes turn about z only)."""
    rows: Rows = []
    reach = [abs(end[i] - start[i]) / (2.0 * pieces) for i in range(3)]
    for k in range(pieces):
        share = (k + 0.5) / pieces
        middle = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]), start[2] + share * (end[2] - start[2]))
        rows.append(ball(middle, (thick + 0.8 * reach[0], thick + 0.8 * reach[1], thick + 1.1 * reach[2]), colour))
    return rows


def head(z_top: float, scale: float, skin: RGB, hair: RGB) -> Rows:
    """A head whose crown is at `z_top`; it looks along x."""
    r = 0.122 * scale
    return [
        ball((0.012 * scale, 0.0, z_top - r - 0.02 * scale), (0.103 * scale, 0.088 * scale, r), skin),
        ball((-0.018 * scale, 0.0, z_top - 0.085 * scale), (0.103 * scale, 0.098 * scale, 0.085 * scale), hair),
        shape(Form.CYLINDER, Material.SKIN, (0.0, 0.0, z_top - 0.25 * scale), (0.05 * scale, 0.05 * scale, 0.06 * scale), skin),
    ]


def legs(length_m: float, hip_z: float, gap: float, phase: float, scale: float, colour: RGB, moving: float) -> Rows:
    """Two legs with shoes; at `phase` = 0 they are together."""
    rows: Rows = []
    foot = 0.12 * scale
    swing = max(length_m / 2.0 - foot - 0.005, 0.02) * moving
    for side, turn in ((1.0, 0.0), (-1.0, math.pi)):
        x = swing * math.sin(phase + turn)
        lift = 0.10 * scale * moving * max(0.0, math.cos(phase + turn))
        ankle = (x - 0.02 * scale, side * gap, 0.08 * scale + lift)
        knee = (0.5 * x + 0.10 * scale * moving * max(0.0, math.cos(phase + turn)), side * gap, 0.5 * hip_z + 0.05 * scale + 0.3 * lift)
        rows += limb((0.0, side * gap * 0.9, hip_z), knee, 0.068 * scale, colour, 2)
        rows += limb(knee, ankle, 0.05 * scale, colour, 2)
        rows.append(ball((x + 0.015 * scale, side * gap, 0.05 * scale + lift), (foot, 0.045 * scale, 0.05 * scale), SHOE))
    return rows


def walker_rows(length_m: float, width_m: float, height_m: float, look: int, phase: float, moving: bool) -> Rows:
    """A pedestrian.

    Args:
        length_m: of its box: how far the legs swing.
        width_m: of its box: from elbow to elbow.
        height_m: of its box.
        look: picks clothes, hair, bag.
        phase: of the steps, radians.
        moving: it walks.
    """
    scale = height_m / 1.72
    top, trousers = TOPS[look % len(TOPS)], TROUSERS[(look // 3) % len(TROUSERS)]
    skin, hair = SKINS[look % 3 if look % 7 else 3], HAIR[(look // 2) % len(HAIR)]
    half = width_m / 2.0
    hip, shoulder = 0.50 * height_m, 0.80 * height_m
    rows = head(height_m, scale, skin, hair)
    arm = 0.052 * scale
    chest = half - 2.0 * arm
    rows.append(ball((0.0, 0.0, 0.715 * height_m), (0.118 * scale, chest, 0.145 * height_m), top))
    rows.append(ball((0.0, 0.0, 0.63 * height_m), (0.108 * scale, 0.92 * chest, 0.11 * height_m), top))
    rows.append(ball((0.0, 0.0, 0.78 * height_m), (0.095 * scale, half - 1.25 * arm, 0.045 * height_m), top))
    rows.append(ball((0.0, 0.0, 0.55 * height_m), (0.108 * scale, 0.95 * chest, 0.085 * height_m), trousers if look % 5 else top))
    if look % 5 == 0:  # a skirt or a coat
        rows.append(shape(Form.CYLINDER, Material.SKIN, (0.0, 0.0, 0.42 * height_m), (0.7 * half, 0.7 * half, 0.13 * height_m), top))
    walk = 1.0 if moving else 0.0
    rows += legs(length_m, hip, 0.32 * half, phase, scale, skin if look % 10 == 0 else trousers, walk)
    for side, turn in ((1.0, math.pi), (-1.0, 0.0)):
        swing = 0.16 * scale * math.sin(phase + turn) * walk
        elbow = (0.3 * swing - 0.02 * scale, side * (half - arm), 0.635 * height_m)
        hand = (min(swing, length_m / 2.0 - 0.06) + 0.03 * scale, side * (half - arm - 0.01), 0.50 * height_m)
        rows += limb((0.0, side * (half - 1.2 * arm), shoulder), elbow, 0.044 * scale, top, 2)
        rows += limb(elbow, hand, 0.036 * scale, top if look % 4 else skin, 2)
        rows.append(ball(hand, (0.045 * scale, 0.03 * scale, 0.05 * scale), skin))
    if look % 3 == 0:  # a rucksack
        rows.append(ball((-0.15 * scale, 0.0, 0.70 * height_m), (0.085 * scale, 0.14 * scale, 0.12 * height_m), TOPS[(look + 4) % len(TOPS)]))
    elif look % 3 == 1:  # a bag
        rows.append(
            shape(
                Form.BOX,
                Material.SKIN,
                (0.0, half - 0.04, 0.42 * height_m),
                (0.11 * scale, 0.035, 0.10 * scale),
                TROUSERS[(look + 2) % len(TROUSERS)],
            )
        )
    return rows


def bicycle_rows(length_m: float, width_m: float, height_m: float, look: int, phase: float, lights: bool) -> Rows:
    """A bicycle and who rides it; `phase` is of the pedals, radians."""
    half, side = length_m / 2.0, width_m / 2.0
    radius = min(0.335, 0.2 * length_m)
    frame = ((0.40, 0.03, 0.03), (0.02, 0.10, 0.35), (0.5, 0.5, 0.5), (0.02, 0.02, 0.022), (0.05, 0.25, 0.15))[look % 5]
    dark: RGB = (0.02, 0.02, 0.021)
    turned = math.pi / 2.0
    front, rear = half - radius, -half + radius
    rows: Rows = []
    for x in (front, rear):
        rows.append(shape(Form.CYLINDER, Material.PLAIN, (x, 0.0, radius), (radius, radius, 0.018), dark, yaw_rad=turned, lying=True))
        rows.append(
            shape(
                Form.CYLINDER,
                Material.PLAIN,
                (x, 0.0, radius),
                (0.88 * radius, 0.88 * radius, 0.0195),
                (0.13, 0.13, 0.13),
                yaw_rad=turned,
                lying=True,
            )
        )
        rows.append(
            shape(Form.CYLINDER, Material.PLAIN, (x, 0.0, radius), (0.1 * radius, 0.1 * radius, 0.03), (0.3, 0.3, 0.3), yaw_rad=turned, lying=True)
        )
        rows.append(shape(Form.BOX, Material.PLAIN, (x, 0.0, 2.0 * radius + 0.02), (0.16, 0.02, 0.012), frame))
    crank = (0.0, 0.0, 0.29)
    seat = (-0.19 * length_m + 0.1, 0.0, 0.52 * height_m)
    bar_z = 0.585 * height_m
    bar_x = front - 0.16
    for a, b in (((rear, 0.0, radius), crank), (crank, (bar_x + 0.03, 0.0, 0.72)), (crank, seat), (seat, (bar_x, 0.0, 0.76))):
        rows += limb(a, b, 0.016, frame, 6)
    rows += limb((bar_x, 0.0, bar_z), (front, 0.0, radius), 0.016, frame, 6)
    rows.append(shape(Form.CYLINDER, Material.PLAIN, (bar_x, 0.0, bar_z), (0.016, 0.016, side - 0.002), dark, yaw_rad=turned, lying=True))
    rows.append(ball((seat[0], 0.0, seat[2] + 0.02), (0.13, 0.07, 0.035), dark))
    rows.append(
        shape(Form.BOX, Material.PLAIN, (bar_x + 0.2, 0.0, bar_z - 0.14), (0.13, 0.16, 0.10), (0.05, 0.05, 0.055))
    )  # the basket that every bicycle here has
    lamp = Material.EMISSIVE if lights else Material.PAINT
    rows.append(shape(Form.BOX, lamp, (bar_x + 0.18, 0.0, bar_z - 0.28), (0.03, 0.03, 0.03), (2.4, 2.3, 2.0) if lights else (0.5, 0.5, 0.5)))
    rows.append(
        shape(Form.BOX, lamp, (rear - 0.12, 0.0, 2.0 * radius + 0.06), (0.02, 0.03, 0.03), (2.0, 0.05, 0.03) if lights else (0.3, 0.01, 0.01))
    )
    top, trousers = TOPS[look % len(TOPS)], TROUSERS[(look // 2) % len(TROUSERS)]
    skin = SKINS[look % 3]
    scale = min(height_m / 1.72, 1.05)
    hip = (seat[0], 0.0, seat[2] + 0.11)
    neck = (hip[0] + 0.24, 0.0, 0.865 * height_m)
    for k in range(4):
        share = k / 3.0
        middle = (hip[0] + share * (neck[0] - hip[0]), 0.0, hip[2] + share * (neck[2] - 0.04 - hip[2]))
        rows.append(ball(middle, (0.12 * scale, 0.15 + 0.03 * share, 0.13), top if k else trousers))
    for row in head(height_m, scale, skin, (0.70, 0.70, 0.68) if look % 2 else HAIR[look % len(HAIR)]):
        row[2] += neck[0] + 0.03
        rows.append(row)
    for y, turn in ((1.0, 0.0), (-1.0, math.pi)):
        pedal = (crank[0] + 0.15 * math.cos(phase + turn), y * 0.11, crank[2] + 0.15 * math.sin(phase + turn))
        knee = (0.5 * (hip[0] + pedal[0]) + 0.19, y * 0.11, 0.5 * (hip[2] + pedal[2]) + 0.05)
        rows += limb((hip[0], y * 0.09, hip[2]), knee, 0.07 * scale, trousers, 3)
        rows += limb(knee, pedal, 0.05 * scale, trousers, 3)
        rows.append(ball((pedal[0] + 0.04, y * 0.11, pedal[2] + 0.01), (0.12, 0.045, 0.045), SHOE))
        elbow = (neck[0] + 0.12, y * (side - 0.09), neck[2] - 0.24)
        rows += limb((neck[0], y * 0.17, neck[2] - 0.05), elbow, 0.046, top, 2)
        rows += limb(elbow, (bar_x - 0.02, y * (side - 0.06), bar_z + 0.03), 0.038, top, 2)
        rows.append(ball((bar_x, y * (side - 0.045), bar_z + 0.02), (0.05, 0.045, 0.04), skin))
    return rows
