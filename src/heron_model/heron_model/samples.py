"""Training samples on disk: Parquet files of one drive each, whatever they come from.

A row is one frame set. Rows that are only the past of another have `labelled` false. Images are JPEG (BGR as OpenCV has it), one column per view.
"""

from __future__ import annotations

import pyarrow as pa

from heron_core.trajectory import POINTS
from heron_model.layout import EGO_COLUMNS, EGO_STEPS

VIEWS = 7
FILE = "samples.yaml"  # beside the Parquet files: views, preprocessing digest, code, how they were made

SCHEMA = pa.schema(
    [
        ("stamp_ns", pa.int64()),
        ("labelled", pa.bool_()),
        ("past", pa.int32()),  # row of the frame set `PAST_S` before in this file, -1: none
        *((f"view_{index}", pa.binary()) for index in range(VIEWS)),
        ("ego_hist", pa.list_(pa.float32(), EGO_STEPS * len(EGO_COLUMNS))),  # row by row, oldest first; NaN: not known
        ("trajectory", pa.list_(pa.float32(), POINTS * 4)),  # x, y, yaw, speed in base_link
        ("manoeuvre", pa.string()),  # of the instruction in force
        ("text", pa.string()),  # of a person's instruction; empty: none was given
        ("signal", pa.string()),  # words of `layout.SLOTS`; empty: not known
        ("ahead", pa.string()),
        ("turn", pa.string()),
        ("reason", pa.string()),
        ("english", pa.string()),  # what is said; empty: not known
        ("japanese", pa.string()),
        ("weight", pa.float32()),
        ("aux", pa.binary()),  # `numpy.savez` of dense targets; empty: none
        ("others", pa.binary()),  # what is done if another manoeuvre is told, `others.packed`; empty or no such column: not known
    ]
)
