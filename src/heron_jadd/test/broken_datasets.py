"""Ways to break a dataset, and what a check says of each."""

import json
import math
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import toy_drive as toy
from toy_drive import MS, S

VERSION = Path("nuscenes/v1.0-trainval")


def replace(path, data):
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.replace(path)


def rewrite(path, change):
    """Changes rows of a Parquet table."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows = change(rows) or rows
    path.unlink()
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)


def in_table(name, change):
    return lambda dataset: rewrite(dataset / "tables" / f"{name}.parquet", change)


def in_view(name, change):
    """Changes records of a JSON table, which keeps one record a line."""

    def broken(dataset):
        path = dataset / VERSION / f"{name}.json"
        rows = json.loads(path.read_text())
        rows = change(rows) or rows
        replace(path, ("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n").encode())

    return broken


def in_json(name, change):
    """Changes a JSON mapping; `name` is a pattern."""

    def broken(dataset):
        path = sorted(dataset.glob(name))[0]
        content = json.loads(path.read_text())
        change(content)
        replace(path, json.dumps(content).encode())

    return broken


def on_file(name, change):
    """Changes the bytes of the last file of a pattern; None removes it."""

    def broken(dataset):
        path = sorted(dataset.glob(name))[-1]
        data = change(path.read_bytes())
        path.unlink() if data is None else replace(path, data)

    return broken


def set_in(number, **values):
    """Sets values of one row."""
    return lambda rows: rows[number].update(values)


def set_to(**values):
    """Sets values of a mapping."""
    return lambda content: content.update(values)


def swapped(field, one, two):
    def change(rows):
        rows[one][field], rows[two][field] = rows[two][field], rows[one][field]

    return change


def flipped(data):
    return data[:300] + bytes([data[300] ^ 4]) + data[301:]


def half(data):
    return data[: len(data) // 2]


def gone(_):
    return None


def first_gone(rows):
    return rows[1:]


def moved_split(splits):
    train, val = (splits[name] for name in sorted(splits, key=lambda name: -len(splits[name])))
    val.append(train.pop())


def pointed(dataset):
    (dataset / "tables").unlink()
    (dataset / "tables").symlink_to("tables-0123456789abcdef")


def other_inode(dataset):
    path = next((dataset / "nuscenes" / "samples" / "CAM_BACK").iterdir())
    replace(path, flipped(path.read_bytes()))


def together(rows):
    """The last scene begins when the first does."""
    first = {row["scene_token"]: row["timestamp"] for row in reversed(rows)}
    begins = sorted(first.values())
    for row in rows:
        row["timestamp"] += begins[0] - begins[-1] if first[row["scene_token"]] == begins[-1] else 0


def longer(rows):
    """The two scenes of the longer recording."""
    recordings = [row["recording"] for row in rows]
    return [row for row in rows if recordings.count(row["recording"]) == 2]


def overlapping(rows):
    min(longer(rows), key=lambda row: row["start_ns"])["end_ns"] += S


def judged(rows):
    longer(rows)[0]["split"] = "test"


def unlinked(rows):
    rows[1]["next"] = rows[2]["prev"] = ""


def leapt(rows):
    rows[7]["x_m"] += 30.0


def far(rows):
    rows[0]["stamp_ns"] -= 240 * MS
    rows[0]["apart_ns"] = -240 * MS


def of(number, field, index, value):
    """Sets a value in a list in a row."""
    return lambda rows: rows[number][field].__setitem__(index, value)


def swap_tables(dataset):
    replace(dataset / "tables/imu.parquet", (dataset / "tables/gnss.parquet").read_bytes())


IMAGES, MANIFEST, POINTER = "scenes/*/images-*/CAM_BACK/*.jpg", "scenes/*/*/manifest.json", "dataset.json"
SPLITS, LENSES = f"{VERSION}/splits.json", f"{VERSION}/distortion.json"
# What is broken → how; the kinds that are found, all of them (… : others follow from it); what a sentence says.
BREAKS = {
    "a flipped bit of an image": (on_file(IMAGES, flipped), "image_crc", r"CAM_BACK/\d+\.jpg: crc32"),
    "an image cut short": (on_file(IMAGES, half), "image_size", r"\.jpg: \d+ bytes, the table of frames says \d+"),
    "an image without its end": (on_file(IMAGES, lambda data: data[:-2] + b"ab"), "image_crc image_torn", "no end marker"),
    "no image": (on_file(IMAGES, gone), "image_missing", r"CAM_BACK/\d+\.jpg: is not there"),
    "an image of the view that is another": (other_inode, "view_file", r"samples/CAM_BACK/.*crc32"),
    "no image in the view": (on_file("nuscenes/sweeps/CAM_FRONT/*", gone), "view_file", "sweeps/CAM_FRONT/"),
    "no map": (on_file("nuscenes/maps/blank.png", gone), "view_file", "blank.png: is not there"),
    "a frame less": (in_table("frames", first_gone), "table_count scene_counts sample_incomplete", "has 0 key frames"),
    "a token twice": (in_table("frames", lambda rows: [*rows[:-1], {**rows[-1], "token": rows[0]["token"]}]), "token_double table_differs", "token"),
    "a row of no scene": (in_table("gnss", lambda rows: [*rows, {**rows[0], "scene_token": "ab"}]), "table_stray", "no scene of the dataset"),
    "swapped stamps of frames": (in_table("frames", swapped("stamp_ns", 1, 2)), "frame_order table_differs", "comes after"),
    "swapped stamps of samples": (in_table("samples", swapped("stamp_ns", 1, 2)), "frame_order frame_sync table_differs", r"samples\.parquet"),
    "swapped stamps of poses": (in_table("poses", swapped("stamp_ns", 5, 9)), "pose_order table_differs", r"poses\.parquet, .* comes after"),
    "a frame beyond its scene": (in_table("frames", set_in(-1, stamp_ns=toy.START_NS + 99 * S)), "stamp_outside …", "outside"),
    "a key frame far from its sample": (in_table("frames", far), "frame_sync table_differs", r"-240000000 ns from its sample"),
    "a sweep of another sample": (in_table("frames", swapped("sample_token", 1, 4)), "sweep_sample table_differs", "the next is"),
    "a frame of no sample": (in_table("frames", set_in(0, sample_token="ab")), "frame_sample sample_incomplete table_differs", "sample ab"),
    "a box of no sample": (in_table("boxes", set_in(0, sample_token="ab")), "box_sample table_differs", "belongs to sample ab"),
    "a box without length": (in_table("boxes", set_in(0, length_m=0.0)), "box_value table_differs", "size"),
    "a pose that is none": (in_table("poses", set_in(7, x_m=math.nan)), "pose_not_finite table_differs", "nan"),
    "a leap": (in_table("poses", leapt), "pose_speed table_differs", r"in 0\.020 s, 1[45]\d\d m/s, limit 70"),
    "an empty value": (in_table("samples", set_in(1, stamp_ns=None)), "table_null …", "1 rows with empty values"),
    "no table of frames": (on_file("tables/frames.parquet", gone), "table_missing", r"frames\.parquet: is not there"),
    "a table cut short": (on_file("tables/frames.parquet", half), "table_unreadable", r"frames\.parquet"),
    "a table of something else": (swap_tables, "table_schema", r"missing: .*rate_x \(double\)"),
    "no table of scenes": (on_file("tables/scenes.parquet", gone), "table_missing", r"scenes\.parquet: is not there"),
    "a scene's table cut short": (on_file("scenes/*/*/poses.parquet", half), "scene_table", r"poses\.parquet"),
    "a recording less": (in_table("recordings", first_gone), "recording", r"recordings\.parquet: has no recording"),
    "overlapping scenes": (in_table("scenes", overlapping), "scene_overlap manifest_differs", "two scenes of recording .* overlap"),
    "a recording in two splits": (in_table("scenes", judged), "split_recording split_scene", "is in the splits .*test"),
    "a rotation that is none": (in_table("sensors", of(0, "rotation_wxyz", 0, 0.9)), "calibration view_truth", r"has the norm 1\.249"),
    "a principal point outside": (in_table("sensors", of(0, "k", 2, 500.0)), "calibration view_truth", "principal point 500, 53.5"),
    "no calibration": (in_table("sensors", first_gone), "frame_sensor view_truth", "no such camera"),
    "a manifest cut short": (on_file(MANIFEST, half), "manifest_unreadable", r"manifest\.json"),
    "another product": (in_json(MANIFEST, set_to(product="0123456789abcdef")), "manifest_differs", "product is '0123456789abcdef'"),
    "other counts": (in_json(MANIFEST, lambda content: content["tables"].update(imu=3)), "table_count", "its manifest says 3"),
    "no folder of a scene": (lambda dataset: shutil.rmtree(min(dataset.glob("scenes/*"))), "manifest_unreadable …", "manifest.json: is not there"),
    "a link to nothing": (pointed, "pointer", "tables: leads nowhere"),
    "a pointer to nothing": (in_json(POINTER, set_to(tables="tables-0")), "pointer", "names 'tables-0'"),
    "a pointer cut short": (on_file(POINTER, half), "dataset_json", r"dataset\.json"),
    "other scenes": (in_json(POINTER, set_to(scenes=7)), "dataset_json", "scenes is 7"),
    "impossible parameters": (in_json(POINTER, lambda content: content["parameters"].update(rate_hz=7)), "parameters", "rate_hz = 7"),
    "images of the view cut short": (on_file(f"{VERSION}/sample_data.json", half), "view_unreadable", r"sample_data\.json: (line|cut)"),
    "samples of the view cut short": (on_file(f"{VERSION}/sample.json", half), "view_unreadable", r"sample\.json"),
    "no view": (lambda dataset: shutil.rmtree((dataset / "nuscenes").resolve()), "pointer", "nuscenes: leads nowhere"),
    "a token twice in the view": (in_view("ego_pose", lambda rows: [*rows, rows[-1]]), "view_token view_reference", "more than once"),
    "a dangling next": (in_view("sample_data", set_in(3, next="ab")), "view_chain", "next of .* is ab, expected"),
    "a chain cut in two": (in_view("sample", unlinked), "view_chain", "is empty, expected"),
    "a record less": (in_view("sample_data", first_gone), "view_chain view_truth view_reference", "1 of scene .* are missing"),
    "another last annotation": (in_view("instance", set_in(0, last_annotation_token="ab")), "view_count", "last_annotation_token"),
    "a reference to nothing": (in_view("sample_annotation", set_in(0, instance_token="ab")), "view_reference …", "ab, which instance.json has not"),
    "no pose of an image": (in_view("sample_data", set_in(0, ego_pose_token="ab")), "view_reference", "ego_pose_token of .* is ab"),
    "a pose elsewhere": (in_view("ego_pose", set_in(0, translation=[1.0, 2.0, 0.0])), "view_truth", r"its pose \(1\.0, 2\.0, 0\.0\)"),
    "a pose that is no rotation": (in_view("ego_pose", set_in(-1, rotation=[1.0, 1.0, 0.0, 0.0])), "view_pose", r"norm 1\.414"),
    "a word for yes": (in_view("sample_data", set_in(0, is_key_frame="true")), "view_field …", "is_key_frame of .* is 'true'"),
    "another time": (in_view("sample_data", set_in(0, timestamp=1)), "view_time view_truth", "timestamp of"),
    "scenes that begin at once": (in_view("sample", together), "view_time", "begin at the same microsecond"),
    "an official name": (in_view("scene", set_in(0, name="scene-0161")), "scene_name …", "numbers up to 1110"),
    "a wrong split": (in_json(SPLITS, moved_split), "split_scene split_recording", "is in the splits jadd_"),
    "a split of no scene": (in_json(SPLITS, set_to(jadd_test=["scene-2999"])), "split_unknown", "scene-2999"),
    "a lens less": (in_json(LENSES, lambda told: told.pop(next(iter(told)))), "view_truth", "no lens of"),
    "a CAN file cut short": (on_file("nuscenes/can_bus/*_pose.json", half), "view_unreadable", "_pose.json"),
    "no CAN file": (on_file("nuscenes/can_bus/*_pose.json", gone), "view_file", "_pose.json: is not there"),
}
