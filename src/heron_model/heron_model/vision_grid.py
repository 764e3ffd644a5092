"""Sizes of the grids in which things are taught, without torch."""

PATCH = 16  # pixels of a patch of the tiny preset
SIGNAL_STRIDE = 8  # pixels of a cell in which a lamp is looked for
