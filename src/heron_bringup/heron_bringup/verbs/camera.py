"""Cameras: undistort images by any calibration and measure how straight they become."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def camera() -> None:
    """Work with cameras and their calibrations."""


@app.command(
    epilog="Examples: ./heron camera undistort photos/ --calibration intrinsics.yml --out straight | "
    "./heron camera undistort front.png --calibration config/vehicle/demo/rig.yaml --camera CAM_FRONT --fov 90 --out straight"
)
def undistort(
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    calibration: Annotated[Path, typer.Option(help="OpenCV yml (4 coefficients: fisheye, 5 or 8: pinhole) or a rig.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder for NAME.png (before | after) and report.json.")],
    camera: Annotated[str | None, typer.Option(help="Camera of the rig.yaml.")] = None,
    fov: Annotated[float | None, typer.Option(help="Degrees from left to right edge; default: the lens's own, fisheyes 110.")] = None,
) -> None:
    """Undistort images; where a chessboard is in view, say how much straighter its lines became."""
    from heron_camera.undistort import undistort_files  # OpenCV loads only for this verb

    report = undistort_files(images, calibration, camera, fov, out, print)
    if report["boards"]:
        print(f"{report['boards']} boards: {report['straighter']:.1f}x straighter together, {report['straighter_least']:.1f}x at least")
    print(f"pictures and report: {out}")
