"""Street lights and signs; the foot of the pole is the origin, arms and faces look along x."""

from __future__ import annotations

from heron_sim.drawing.models_car import RGB, Rows
from heron_sim.drawing.shapes import BLUE, CX, FORM, HX, HZ, MATERIAL, RED, Form, Material, shape
from heron_sim.roads.town import SignKind

LAMP_OUT_M = 1.55  # from a street light's pole to the middle of its lamp
_STEEL: RGB = (0.30, 0.31, 0.32)
_RED: RGB = (0.55, 0.012, 0.012)
_BLUE: RGB = (0.012, 0.08, 0.42)
_WHITE: RGB = (0.75, 0.75, 0.73)
_YELLOW: RGB = (0.80, 0.50, 0.01)
_BLACK: RGB = (0.015, 0.015, 0.015)
_FACE_M = 2.35  # height of a sign's middle
_RADIUS_M = 0.32
# Which strokes of a seven-stroke digit: top, middle, bottom, left above, left below, right above, right below.
_DIGITS = {"0": "1011111", "3": "1110011", "4": "0101011", "5": "1111001", "6": "1111101"}


def street_light_rows(height_m: float, lights: bool) -> Rows:
    """A pole with an arm over the road."""
    lamp: RGB = (3.0, 2.5, 1.8) if lights else (0.55, 0.55, 0.52)
    return [
        shape(Form.CYLINDER, Material.PLAIN, (0.0, 0.0, height_m / 2.0), (0.075, 0.075, height_m / 2.0), _STEEL),
        shape(Form.CYLINDER, Material.PLAIN, (0.0, 0.0, 0.5), (0.11, 0.11, 0.5), _STEEL),
        shape(Form.CYLINDER, Material.PLAIN, (0.5 * LAMP_OUT_M, 0.0, height_m - 0.05), (0.045, 0.045, 0.5 * LAMP_OUT_M), _STEEL, lying=True),
        shape(Form.BOX, Material.PLAIN, (LAMP_OUT_M, 0.0, height_m - 0.02), (0.36, 0.13, 0.06), _STEEL, taper=(1.2, 0.5, 0.4)),
        shape(Form.BOX, Material.EMISSIVE if lights else Material.PLAIN, (LAMP_OUT_M, 0.0, height_m - 0.085), (0.28, 0.10, 0.025), lamp),
    ]


def sign_rows(kind: SignKind) -> Rows:
    """A sign on its pole, as Japan paints it; grey from behind."""
    face = _face(kind)
    outline = [row for row in face if row[RED : BLUE + 1] == face[0][RED : BLUE + 1] and row[_depth(row)] == face[0][_depth(face[0])]]
    backs = [row.copy() for row in outline]
    for row in face:  # a layer stands out to the front only
        row[_depth(row)] /= 2.0
        row[CX] = row[_depth(row)]
    for row in backs:
        row[_depth(row)] = 0.004
        row[CX] = -0.004
        row[RED : BLUE + 1] = _STEEL
        row[MATERIAL] = float(Material.PLAIN)
    pole = _FACE_M + 0.35
    return [shape(Form.CYLINDER, Material.PLAIN, (-0.05, 0.0, pole / 2.0), (0.03, 0.03, pole / 2.0), _STEEL), *backs, *face]


def _depth(row: list[float]) -> int:
    """The column that holds half of a layer's thickness."""
    return HZ if row[FORM] == Form.CYLINDER else HX


def _face(kind: SignKind) -> Rows:
    """Layers of a sign's face, the outermost shape first, thicker the nearer to the front."""
    rows: Rows = []
    if kind is SignKind.STOP:
        rows += _hanging_triangle(0.42, 0.012, _WHITE) + _hanging_triangle(0.375, 0.017, _RED)
        rows += [_bar(y, 0.13, 0.032, 0.085, _WHITE, 0.024) for y in (-0.16, -0.055, 0.055, 0.16)]
    elif kind is SignKind.YIELD:
        rows += _hanging_triangle(0.42, 0.012, _RED) + _hanging_triangle(0.30, 0.017, _WHITE)
        rows += [_bar(y, 0.10, 0.035, 0.05, _BLUE, 0.024) for y in (-0.07, 0.07)]
    elif kind is SignKind.NO_ENTRY:
        rows += [_disc(_RADIUS_M, 0.012, _WHITE), _disc(0.92 * _RADIUS_M, 0.016, _RED), _bar(0.0, 0.0, 0.23, 0.05, _WHITE, 0.022)]
    elif kind is SignKind.CROSSING:
        rows.append(_bar(0.0, 0.0, 0.32, 0.32, _WHITE, 0.010))
        rows.append(_bar(0.0, 0.0, 0.30, 0.30, _BLUE, 0.014))
        rows.append(shape(Form.BOX, Material.REFLECTIVE, (0.0, 0.0, _FACE_M - 0.005), (0.018, 0.26, 0.23), _WHITE, taper=(0.0, 0.0, 0.25 / 0.46)))
        rows.append(shape(Form.CYLINDER, Material.REFLECTIVE, (0.0, 0.0, _FACE_M + 0.10), (0.04, 0.04, 0.024), _BLACK, lying=True))
        rows += [
            _bar(0.0, -0.01, 0.03, 0.075, _BLACK, 0.024),
            _bar(0.045, -0.13, 0.018, 0.065, _BLACK, 0.024),
            _bar(-0.045, -0.13, 0.018, 0.065, _BLACK, 0.024),
        ]
        rows.append(_bar(0.0, 0.02, 0.08, 0.018, _BLACK, 0.024))
    elif kind is SignKind.WORK:
        for size, thick, colour in ((0.44, 0.010, _BLACK), (0.41, 0.015, _YELLOW)):
            for up in (1.0, -1.0):
                half = size / 2.0
                low, lean = (size, 1.0) if up > 0.0 else (0.005, -1.0)
                rows.append(shape(Form.BOX, Material.REFLECTIVE, (0.0, 0.0, _FACE_M + up * half), (thick, low, half), colour, taper=(0.0, 0.0, lean)))
        rows.append(shape(Form.CYLINDER, Material.REFLECTIVE, (0.0, 0.02, _FACE_M + 0.15), (0.05, 0.05, 0.022), _BLACK, lying=True))
        rows += [_bar(0.03, 0.02, 0.045, 0.09, _BLACK, 0.022), _bar(-0.08, -0.02, 0.10, 0.02, _BLACK, 0.022)]
        rows += [
            _bar(0.07, -0.14, 0.022, 0.08, _BLACK, 0.022),
            _bar(-0.01, -0.14, 0.022, 0.08, _BLACK, 0.022),
            _bar(-0.17, -0.17, 0.09, 0.05, _BLACK, 0.022),
        ]
    else:
        rows += [_disc(_RADIUS_M, 0.012, _RED), _disc(0.78 * _RADIUS_M, 0.016, _WHITE)]
        for y, digit in zip((-0.095, 0.095), kind.value.removeprefix("limit_"), strict=True):
            rows += _digit(digit, y)
    return rows


def _bar(y: float, z: float, half_y: float, half_z: float, colour: RGB, thick: float) -> list[float]:
    return shape(Form.BOX, Material.REFLECTIVE, (0.0, y, _FACE_M + z), (thick, half_y, half_z), colour)


def _disc(radius: float, thick: float, colour: RGB) -> list[float]:
    return shape(Form.CYLINDER, Material.REFLECTIVE, (0.0, 0.0, _FACE_M), (radius, radius, thick), colour, lying=True)


def _hanging_triangle(half: float, thick: float, colour: RGB) -> Rows:
    """A triangle that stands on its tip, `half` wide to each side at its top."""
    tall = 0.82 * half
    middle = (0.0, 0.0, _FACE_M + 0.10 - 0.36 * (half - 0.42))
    return [shape(Form.BOX, Material.REFLECTIVE, middle, (thick, 0.015, tall), colour, taper=(0.0, 0.0, -(half - 0.015) / (2.0 * tall)))]


def _digit(digit: str, y: float) -> Rows:
    """A digit as seen from the front, where the left hand is at negative y."""
    wide, tall, stroke = 0.055, 0.125, 0.02
    strokes = (
        (0.0, tall, wide + stroke, stroke),
        (0.0, 0.0, wide + stroke, stroke),
        (0.0, -tall, wide + stroke, stroke),
        (-wide, tall / 2.0, stroke, tall / 2.0),
        (-wide, -tall / 2.0, stroke, tall / 2.0),
        (wide, tall / 2.0, stroke, tall / 2.0),
        (wide, -tall / 2.0, stroke, tall / 2.0),
    )
    return [_bar(y + dy, dz, hy, hz, _BLUE, 0.022) for on, (dy, dz, hy, hz) in zip(_DIGITS[digit], strokes, strict=True) if on == "1"]
