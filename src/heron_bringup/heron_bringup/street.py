"""The calibration street: a straight road between two rows of houses, with chessboards, poles, trees and parked cars at known places.

World frame: x along the street, y left, z up, the middle of the road at y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heron_bringup import street_paint as paint
from heron_bringup.scene import Ripmap, Scene, Surface, Thing

FIRST_M, LAST_M = -120.0, 260.0  # things stand between these x
POLE_SPACING_M, POLE_SIZE_M = 16.0, (0.16, 6.0)
POLE_Y_M = 6.4
PAINTS: tuple[paint.Colour, ...] = ((168, 92, 48), (44, 44, 170), (200, 202, 204), (70, 66, 62), (120, 128, 130), (58, 104, 60), (150, 170, 186))
X, Y, Z = np.eye(3)


@dataclass(frozen=True)
class Board:
    """A chessboard.

    Attributes:
        corner: (3,) upper left corner of its white margin, world, metres.
        right: (3,) direction of its rows.
    """

    corner: NDArray[np.float64]
    right: NDArray[np.float64]

    def inner_corners(self) -> NDArray[np.float64]:
        """(n, 3) world positions of the inner corners in metres, row by row from the upper left."""
        columns, rows = paint.BOARD_SQUARES
        u, v = np.meshgrid(np.arange(1, columns), np.arange(1, rows))
        along = paint.BOARD_MARGIN_M + u.reshape(-1, 1) * paint.BOARD_SQUARE_M
        below = paint.BOARD_MARGIN_M + v.reshape(-1, 1) * paint.BOARD_SQUARE_M
        corners: NDArray[np.float64] = self.corner + along * self.right - below * Z
        return corners


@dataclass(frozen=True)
class Street:
    """The scene, and what of it has a known place: boards, and x, y of the poles' axes."""

    scene: Scene
    boards: tuple[Board, ...]
    poles: tuple[tuple[float, float], ...]


def build(seed: int = 1) -> Street:
    """The street; the same for the same seed."""
    random = np.random.default_rng(seed)
    road = Surface(np.array([0.0, paint.ROAD_WIDTH_M / 2, 0.0]), X, -Y, paint.ROAD_PERIOD_M, paint.ROAD_WIDTH_M, Ripmap(paint.ground(random)), True)
    sunny, shady = Ripmap(paint.facades(random, 1.08)), Ripmap(paint.facades(random, 0.80))
    walls = (
        Surface(np.array([0.0, paint.FACADE_M, 16.0]), X, -Z, 64.0, 16.0, sunny, True),
        Surface(np.array([0.0, -paint.FACADE_M, 16.0]), -X, -Z, 64.0, 16.0, shady, True),
    )
    boards = _boards()
    poles = tuple((x, side * POLE_Y_M) for x in np.arange(FIRST_M, LAST_M, POLE_SPACING_M).tolist() for side in (-1.0, 1.0))
    cars, car_shadows = _cars(random)
    trees, tree_shadows = _trees(random)
    pole = Ripmap(paint.pole())
    things = [*_board_things(boards), *cars, *trees]
    for x, y in poles:
        corner = np.array([x - POLE_SIZE_M[0] / 2, y, POLE_SIZE_M[1]])
        things.append(Thing((Surface(corner, X, -Z, *POLE_SIZE_M, pole, billboard=True),)))
    scene = Scene(paint.sky(random), road, (*car_shadows, *tree_shadows), walls, tuple(things))
    return Street(scene, boards, poles)


def _boards() -> tuple[Board, ...]:
    """On the walls to both sides, and on stands along the pavement that face both ways of the street."""
    width, _ = paint.BOARD_SIZE_M
    found = []
    for x in np.arange(-84.0, 250.0, 28.0).tolist():
        found.append(Board(np.array([x, paint.FACADE_M - 0.08, 2.6]), X))
        found.append(Board(np.array([x + 14.0 + width, -paint.FACADE_M + 0.08, 2.6]), -X))
    for x in np.arange(-76.0, 250.0, 40.0).tolist():
        found.append(Board(np.array([x, -5.9, 2.2]), -Y))  # faces oncoming traffic: seen ahead
        found.append(Board(np.array([x + 20.0, 5.9 + width, 2.2]), -Y))
        found.append(Board(np.array([x + 0.06, -5.9 - width, 2.2]), Y))  # and its back: seen behind
        found.append(Board(np.array([x + 20.06, 5.9, 2.2]), Y))
    return tuple(found)


def _board_things(boards: tuple[Board, ...]) -> list[Thing]:
    texture = Ripmap(paint.board())
    return [Thing((Surface(board.corner, board.right, -Z, *paint.BOARD_SIZE_M, texture),)) for board in boards]


def _cars(random: np.random.Generator) -> tuple[list[Thing], list[Thing]]:
    """Parked cars, as groups of surfaces, and the shadows under them."""
    textures = [_car_textures(colour) for colour in PAINTS]
    dark = Ripmap(paint.shadow())
    cars, shadows = [], []
    for side in (-1.0, 1.0):
        for bay in np.arange(FIRST_M + 2.0, LAST_M, 6.4).tolist():
            if random.random() < 0.42:
                x, y = bay + 1.0 + float(random.uniform(-0.3, 0.3)), side * (4.72 + float(random.uniform(-0.1, 0.1)))
                # each side drives away from an eye on its own lane: cars to the right (y < 0) show their backs to traffic behind
                cars.append(_car(x, y, textures[int(random.integers(len(textures)))], forward=side < 0))
                shadows.append(Thing((Surface(np.array([x - 0.35, y + 1.2, 0.0]), X, -Y, 5.1, 2.4, dark),)))
    return cars, shadows


CarTextures = dict[str, Ripmap]


def _car_textures(colour: paint.Colour) -> CarTextures:
    side = paint.car_side(colour)
    return {
        "side": Ripmap(side),
        "mirrored": Ripmap(np.ascontiguousarray(side[:, ::-1])),
        "front": Ripmap(paint.car_end(colour, True)),
        "back": Ripmap(paint.car_end(colour, False)),
        "deck": Ripmap(paint.plain((colour[0] * 1.12 + 12, colour[1] * 1.12 + 12, colour[2] * 1.12 + 12))),
        "glass": Ripmap(paint.plain((92, 80, 70))),
    }


def _car(x: float, y: float, textures: CarTextures, forward: bool) -> Thing:
    """A saloon 4.4 x 1.8 x 1.46 m whose rear left ground corner (front right one when not `forward`) lies at x, y + 0.9."""
    left, right, top, waist = y + 0.9, y - 0.9, 1.46, 0.88

    def at(distance: float) -> float:
        return x + distance if forward else x + 4.4 - distance

    near_left = "mirrored" if forward else "side"  # texture of the side at y = left: seen from there, ahead is to the left
    near_right = "side" if forward else "mirrored"
    rear, nose = ("back", "front") if forward else ("front", "back")
    return Thing(
        (
            *_deck(at(0.0), at(4.4), left, right, waist, textures["deck"]),
            Surface(np.array([x, left, waist]), -Y, -Z, 1.8, waist, textures[rear]),
            Surface(np.array([x + 4.4, right, waist]), Y, -Z, 1.8, waist, textures[nose]),
            *_pane(at(0.9), at(1.42), left, right, waist, top - 0.04, textures["glass"]),
            *_pane(at(3.45), at(2.75), left, right, waist, top - 0.04, textures["glass"]),
            *_deck(at(1.4), at(2.75), left, right, top - 0.03, textures["deck"]),
            Surface(np.array([x + 4.4, left, top]), -X, -Z, 4.4, top, textures[near_left]),
            Surface(np.array([x, right, top]), X, -Z, 4.4, top, textures[near_right]),
        )
    )


def _deck(start: float, end: float, left: float, right: float, height: float, texture: Ripmap) -> tuple[Surface, ...]:
    low, high = min(start, end), max(start, end)
    return (Surface(np.array([low, left, height]), X, -Y, high - low, left - right, texture),)


def _pane(foot: float, head: float, left: float, right: float, low: float, high: float, texture: Ripmap) -> tuple[Surface, ...]:
    """A sloping window across the car, from x = `foot` at height `low` to x = `head` at height `high`."""
    slope = np.array([foot - head, 0.0, low - high])
    length = float(np.linalg.norm(slope))
    down = slope / length
    if foot < head:  # faces -x
        return (Surface(np.array([head, left, high]), -Y, down, left - right, length, texture),)
    return (Surface(np.array([head, right, high]), Y, down, left - right, length, texture),)


def _trees(random: np.random.Generator) -> tuple[list[Thing], list[Thing]]:
    kinds = [Ripmap(paint.tree(random)) for _ in range(4)]
    dark = Ripmap(paint.shadow())
    trees, shadows = [], []
    for side in (-1.0, 1.0):
        for x in np.arange(FIRST_M + 6.0, LAST_M, 16.0).tolist():
            if random.random() < 0.75:
                scale = float(random.uniform(0.62, 0.85))
                place = x + float(random.uniform(-2, 2))
                corner = np.array([place - 2.5 * scale, side * 7.0, 8.0 * scale])
                kind = kinds[int(random.integers(4))]
                trees.append(Thing((Surface(corner, X, -Z, 5.0 * scale, 8.0 * scale, kind, billboard=True),)))
                shadows.append(Thing((Surface(np.array([place - 0.5, side * 6.9 + 1.0, 0.0]), X, -Y, 3.4, 2.0, dark),)))
    return trees, shadows
