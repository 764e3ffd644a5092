"""Paints the textures of the calibration street: asphalt and markings, facades, cars, boards, trees, sky. Sizes in metres, colours BGR."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
Colour = tuple[float, float, float]

ROAD_PERIOD_M, ROAD_WIDTH_M = 64.0, 16.0
LANE_M, PARKING_M, KERB_M = 3.5, 5.8, 6.0  # distances from the middle of the street
FACADE_M = 8.0
BOARD_SQUARES, BOARD_SQUARE_M, BOARD_MARGIN_M = (8, 6), 0.2, 0.2
BOARD_SIZE_M = (BOARD_SQUARES[0] * BOARD_SQUARE_M + 2 * BOARD_MARGIN_M, BOARD_SQUARES[1] * BOARD_SQUARE_M + 2 * BOARD_MARGIN_M)


class Canvas:
    """A picture with coordinates in metres: x to the right, y down, from the upper left corner; edges are antialiased."""

    def __init__(self, pixels: tuple[int, int], size_m: tuple[float, float], colour: Colour, alpha: int = 255) -> None:
        width, height = pixels
        self.image: U8 = np.empty((height, width, 4), np.uint8)
        self.image[:] = (*colour, alpha)
        self.scale = np.array([width / size_m[0], height / size_m[1]])

    def polygon(self, points: list[tuple[float, float]] | NDArray[np.float64], colour: Colour, alpha: int = 255) -> None:
        """Fills a convex or simple polygon."""
        fixed = np.round((np.asarray(points, np.float64) * self.scale - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(self.image, [fixed], (*colour, alpha), cv2.LINE_AA, 4)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour, alpha: int = 255) -> None:
        """Fills an upright rectangle."""
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour, alpha)

    def disc(self, x: float, y: float, radius: float, colour: Colour, alpha: int = 255) -> None:
        """Fills a circle."""
        angle = np.linspace(0, 2 * np.pi, 33)[:-1]
        self.polygon(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1), colour, alpha)

    def grain(self, random: np.random.Generator, strengths: dict[int, float]) -> None:
        """Multiplies the colours by noise: blob size in pixels → strength."""
        height, width = self.image.shape[:2]
        factor = np.ones((height, width), np.float32)
        for size, strength in strengths.items():
            coarse = random.standard_normal((max(1, height // size) + 1, max(1, width // size) + 1)).astype(np.float32)
            factor += strength * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        colours = self.image[:, :, :3] * factor[:, :, None]
        self.image[:, :, :3] = np.clip(colours, 0, 255).astype(np.uint8)


def ground(random: np.random.Generator) -> U8:
    """One period of the street from above: columns along x, rows from y = +8 m to y = -8 m."""
    asphalt, paint, stone = (92, 88, 86), (228, 230, 232), (150, 156, 160)
    canvas = Canvas((4096, 1024), (ROAD_PERIOD_M, ROAD_WIDTH_M), asphalt)
    middle = ROAD_WIDTH_M / 2
    for side in (-1, 1):
        bays = sorted([middle + side * LANE_M, middle + side * PARKING_M])
        canvas.box(0, bays[0], ROAD_PERIOD_M, bays[1] - bays[0], (84, 82, 82))
    for _ in range(14):  # repaired patches
        x, y = random.uniform(0, 60), random.uniform(middle - PARKING_M, middle + PARKING_M - 1.5)
        shade = random.uniform(58, 78)
        canvas.box(x, y, random.uniform(0.8, 4.0), random.uniform(0.5, 1.5), (shade, shade, shade))
    for _ in range(10):  # cracks, sealed with tar
        start = np.array([random.uniform(0, 60), random.uniform(middle - LANE_M, middle + LANE_M)])
        points = start + np.cumsum(random.normal((0.35, 0), (0.2, 0.16), (10, 2)), axis=0)
        fixed = np.round(points * canvas.scale * 16).astype(np.int32)
        cv2.polylines(canvas.image, [fixed], False, (52, 50, 50, 255), 2, cv2.LINE_AA, 4)
    for x, y in ((9.0, 6.6), (26.5, 9.7), (41.0, 6.2), (55.0, 9.9)):
        canvas.disc(x, y, 0.36, (50, 52, 54))
        canvas.disc(x, y, 0.30, (96, 98, 100))
        canvas.disc(x, y, 0.20, (66, 68, 70))
    canvas.grain(random, {2: 0.05, 6: 0.035, 60: 0.03, 200: 0.03})
    for x in np.arange(0.0, ROAD_PERIOD_M, 8.0):  # dashes in the middle
        canvas.box(x, middle - 0.07, 4.0, 0.14, paint)
    for side in (-1, 1):
        y = middle + side * LANE_M
        canvas.box(0, y - 0.06, ROAD_PERIOD_M, 0.12, paint)
        outer = middle + side * (LANE_M + PARKING_M) / 2
        for x in np.arange(2.0, ROAD_PERIOD_M, 6.4):  # parking bays
            canvas.box(x, outer - 1.1, 0.1, 2.2, paint)
    for y in np.arange(middle - LANE_M + 0.35, middle + LANE_M - 0.3, 1.0):  # crossing
        canvas.box(46.0, y, 3.0, 0.5, paint)
    _arrow(canvas, 30.0, middle + LANE_M / 2, paint)
    _pavement(canvas, random, middle, stone)
    canvas.grain(random, {3: 0.02})
    return canvas.image


def _arrow(canvas: Canvas, x: float, y: float, paint: Colour) -> None:
    canvas.box(x, y - 0.08, 2.4, 0.16, paint)
    canvas.polygon([(x + 2.3, y - 0.35), (x + 3.6, y), (x + 2.3, y + 0.35)], paint)


def _pavement(canvas: Canvas, random: np.random.Generator, middle: float, stone: Colour) -> None:
    for side in (-1, 1):
        edges = sorted([middle + side * KERB_M, middle + side * FACADE_M])
        canvas.box(0, edges[0], ROAD_PERIOD_M, edges[1] - edges[0], stone)
        for x in np.arange(0.0, ROAD_PERIOD_M, 0.8):
            for y in np.arange(edges[0], edges[1] - 0.1, 0.5):
                tone = float(random.uniform(0.88, 1.06))
                canvas.box(x + 0.015, y + 0.015, 0.77, 0.47, (stone[0] * tone, stone[1] * tone, stone[2] * tone))
        kerb = sorted([middle + side * PARKING_M, middle + side * KERB_M])
        for x in np.arange(0.0, ROAD_PERIOD_M, 1.0):
            tone = float(random.uniform(0.94, 1.04))
            canvas.box(x + 0.01, kerb[0], 0.98, kerb[1] - kerb[0], (188 * tone, 192 * tone, 196 * tone))
        gutter = middle + side * (PARKING_M - 0.08)
        canvas.box(0, gutter - 0.08, ROAD_PERIOD_M, 0.16, (66, 64, 64))


def facades(random: np.random.Generator, light: float) -> U8:
    """One period (64 m) of a row of houses, 16 m high, sky cut out; `light` scales the colours (sunny or shady side)."""
    walls: list[Colour] = [(128, 162, 190), (104, 124, 172), (168, 176, 180), (140, 176, 200), (150, 150, 142), (112, 146, 164)]
    canvas = Canvas((4096, 1024), (64.0, 16.0), (150, 160, 170), 0)
    x = 0.0
    for width, floors, tone in zip((14.0, 18.0, 11.0, 21.0), random.permutation([3, 4, 3, 4]), random.permutation(len(walls)), strict=False):
        _house(canvas, random, x, width, int(floors), walls[int(tone)])
        x += width
    canvas.grain(random, {2: 0.02, 40: 0.025})
    canvas.image[:, :, :3] = np.clip(canvas.image[:, :, :3] * light, 0, 255).astype(np.uint8)
    return canvas.image


def _toned(colour: Colour, factor: float) -> Colour:
    return min(255.0, colour[0] * factor), min(255.0, colour[1] * factor), min(255.0, colour[2] * factor)


def _house(canvas: Canvas, random: np.random.Generator, x: float, width: float, floors: int, wall: Colour) -> None:
    storey = 3.3
    height = floors * storey + float(random.uniform(0.4, 1.2))
    top = 16.0 - height
    canvas.box(x, top, width, height, wall)
    bright, dark = _toned(wall, 1.16), _toned(wall, 0.72)
    canvas.box(x, top, width, 0.45, bright)
    canvas.box(x, top + 0.45, width, 0.10, dark)
    canvas.box(x, 16.0 - 0.6, width, 0.6, dark)
    canvas.box(x, 16.0 - 3.5, width, 0.18, bright)
    canvas.box(x + width - 0.06, top, 0.12, height, dark)
    count = int(width // 2.6)
    step = width / count
    for floor in range(floors):
        for i in range(count):
            left = x + (i + 0.5) * step
            foot = 16.0 - floor * storey
            if floor == 0:
                _shop(canvas, random, left, step, door=i % 3 == 1)
            else:
                _window(canvas, random, left, foot, bright)


def _window(canvas: Canvas, random: np.random.Generator, middle: float, foot: float, frame: Colour) -> None:
    y, width, height = foot - 2.75, 1.2, 1.75
    canvas.box(middle - width / 2 - 0.12, y - 0.12, width + 0.24, height + 0.24, frame)
    pane = float(random.uniform(0.7, 1.3))
    canvas.box(middle - width / 2, y, width, height, (96 * pane, 80 * pane, 66 * pane))
    canvas.polygon(
        [(middle - width / 2, y), (middle + width / 2, y), (middle - width / 2, y + 0.8)], (136 * pane, 118 * pane, 100 * pane)
    )  # the sky in the pane
    if random.random() < 0.35:
        canvas.box(middle - width / 2, y, width, float(random.uniform(0.3, 1.1)), (196, 206, 212))  # a blind
    canvas.box(middle - 0.035, y, 0.07, height, (230, 232, 232))
    canvas.box(middle - width / 2, y + 0.6, width, 0.06, (230, 232, 232))
    canvas.box(middle - width / 2 - 0.2, y + height + 0.1, width + 0.4, 0.1, (214, 216, 218))


def _shop(canvas: Canvas, random: np.random.Generator, middle: float, step: float, door: bool) -> None:
    if door:
        canvas.box(middle - 0.65, 16.0 - 2.5, 1.3, 2.5, (52, 56, 62))
        shade = random.uniform(0.7, 1.2)
        canvas.box(middle - 0.55, 16.0 - 2.4, 1.1, 2.4, (56 * shade, 70 * shade, 96 * shade))
        canvas.box(middle - 0.4, 16.0 - 2.2, 0.8, 0.9, (120, 106, 92))
        return
    width = step * 0.78
    canvas.box(middle - width / 2, 16.0 - 2.6, width, 2.1, (58, 60, 62))
    glow = random.uniform(0.7, 1.3)
    canvas.box(middle - width / 2 + 0.1, 16.0 - 2.5, width - 0.2, 1.9, (84 * glow, 96 * glow, 104 * glow))
    canvas.polygon([(middle - width / 2 + 0.1, 16.0 - 2.5), (middle, 16.0 - 2.5), (middle - width / 2 + 0.1, 16.0 - 1.3)], (146, 140, 130))
    awning = [(60, 60, 168), (122, 92, 52), (70, 120, 62), (50, 140, 190)][int(random.integers(4))]
    canvas.box(middle - width / 2 - 0.1, 16.0 - 3.0, width + 0.2, 0.45, awning)


def board() -> U8:
    """A chessboard of `BOARD_SQUARES` with a white margin."""
    canvas = Canvas((1024, 1024), BOARD_SIZE_M, (238, 240, 240))
    for column in range(BOARD_SQUARES[0]):
        for row in range(BOARD_SQUARES[1]):
            if (column + row) % 2 == 0:
                x, y = BOARD_MARGIN_M + column * BOARD_SQUARE_M, BOARD_MARGIN_M + row * BOARD_SQUARE_M
                canvas.box(x, y, BOARD_SQUARE_M, BOARD_SQUARE_M, (22, 20, 20))
    return canvas.image


def plain(colour: Colour) -> U8:
    """One colour."""
    return Canvas((8, 8), (1.0, 1.0), colour).image


def pole() -> U8:
    """A round pole: bright in the middle, dark to the sides, a yellow band at eye height."""
    image = np.full((256, 16, 4), 255, np.uint8)
    across = np.linspace(-1, 1, 16)
    shade = 70 + 95 * np.sqrt(np.clip(1 - (across * 0.92 + 0.2) ** 2, 0.05, 1))
    image[:, :, :3] = shade[None, :, None].astype(np.uint8)
    image[190:206, :, :3] = (shade[None, :, None] / 165 * np.array([60, 190, 225])).clip(0, 255).astype(np.uint8)
    return image


def tree(random: np.random.Generator) -> U8:
    """A tree of 5 x 8 m, all around cut out."""
    canvas = Canvas((512, 512), (5.0, 8.0), (44, 84, 56), 0)
    canvas.polygon([(2.38, 4.0), (2.62, 4.0), (2.68, 8.0), (2.3, 8.0)], (52, 68, 84))
    for i in range(170):
        angle, reach = random.uniform(0, 2 * np.pi), np.sqrt(random.uniform(0, 1))
        x, y = 2.5 + 1.75 * reach * np.cos(angle), 3.0 + 2.2 * reach * np.sin(angle)
        light = 0.55 + 0.5 * (1 - (y - 0.6) / 5.0) + 0.08 * np.cos(angle) + random.uniform(-0.07, 0.07) + 0.0004 * i
        canvas.disc(x, y, float(random.uniform(0.28, 0.55)), (46 * light, 112 * light, 70 * light))
    canvas.grain(random, {3: 0.07})
    return canvas.image


def shadow() -> U8:
    """A soft dark spot, to lie under cars and trees."""
    y, x = np.mgrid[-1:1:64j, -1:1:128j]
    image = np.zeros((64, 128, 4), np.uint8)
    image[:, :, :3] = 24
    image[:, :, 3] = np.clip(1.5 * (1 - (np.abs(x) ** 4 + np.abs(y) ** 4) ** 0.5), 0, 1) * 165
    return image


def car_side(paint: Colour) -> U8:
    """The side of a saloon, 4.4 x 1.46 m, cut out, its front to the right."""
    canvas = Canvas((512, 256), (4.4, 1.46), paint, 0)
    dark = _toned(paint, 0.6)
    canvas.polygon([(0.9, 0.62), (1.4, 0.06), (2.75, 0.02), (3.45, 0.62)], paint)
    canvas.polygon([(1.08, 0.6), (1.47, 0.14), (2.05, 0.12), (2.05, 0.6)], (72, 62, 54))
    canvas.polygon([(2.13, 0.12), (2.68, 0.12), (3.2, 0.6), (2.13, 0.6)], (78, 68, 60))
    canvas.polygon([(0.0, 0.66), (1.0, 0.58), (3.4, 0.58), (4.36, 0.76), (4.4, 1.24), (0.0, 1.24)], paint)
    canvas.box(0.0, 1.06, 4.4, 0.18, dark)
    for x in (1.05, 2.1, 3.2):
        canvas.box(x, 0.6, 0.025, 0.6, dark)
    canvas.box(0.0, 0.72, 0.18, 0.16, (40, 40, 190))
    canvas.box(4.2, 0.82, 0.2, 0.14, (220, 236, 240))
    for x in (0.85, 3.5):
        canvas.disc(x, 1.12, 0.37, (30, 30, 30))
        canvas.disc(x, 1.12, 0.33, (36, 36, 38))
        canvas.disc(x, 1.12, 0.2, (150, 152, 154))
        canvas.disc(x, 1.12, 0.07, (60, 60, 60))
    return canvas.image


def car_end(paint: Colour, front: bool) -> U8:
    """Front or back of the body up to the bonnet, 1.8 x 0.88 m."""
    canvas = Canvas((256, 128), (1.8, 0.88), paint)
    dark = _toned(paint, 0.6)
    canvas.box(0.0, 0.5, 1.8, 0.38, dark)
    canvas.box(0.0, 0.68, 1.8, 0.2, (26, 26, 28))
    lamp: Colour = (226, 240, 242) if front else (36, 36, 196)
    for x in (0.06, 1.36):
        canvas.box(x, 0.14, 0.38, 0.17, lamp)
    canvas.box(0.5, 0.16, 0.8, 0.2, (40, 40, 42) if front else dark)
    canvas.box(0.64, 0.44, 0.52, 0.12, (232, 232, 232))
    return canvas.image


def sky(random: np.random.Generator) -> U8:
    """Panorama (512, 2048, 3): rows from the zenith to the horizon, columns around; thin clouds, seamless in azimuth."""
    elevation = np.linspace(1, 0, 512)[:, None, None]
    zenith, horizon = np.array([206, 150, 96.0]), np.array([232, 222, 210.0])
    fade = np.exp(-4.5 * elevation)
    base = zenith * (1 - fade) + horizon * fade
    clouds = np.zeros((512, 2048), np.float32)
    for size, strength in ((256, 1.0), (96, 0.6), (32, 0.28)):
        noise = random.standard_normal((512 // (size // 4) + 2, 2048 // size)).astype(np.float32)
        wrapped = np.concatenate([noise, noise, noise], axis=1)
        clouds += strength * cv2.resize(wrapped, (3 * 2048, 512), interpolation=cv2.INTER_CUBIC)[:, 2048:4096]
    veil = np.clip(clouds * 0.35, 0, 0.75)[:, :, None] * np.clip(elevation * 6, 0, 1)
    panorama: U8 = np.clip(base * (1 - veil) + 246 * veil, 0, 255).astype(np.uint8)
    return panorama
