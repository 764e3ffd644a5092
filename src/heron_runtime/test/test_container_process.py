"""A container as a process: start-up health, crashes, signals, hangs."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.alone

UP = "all 1 components are up"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_cleanly_on_a_signal(box: Any, number: signal.Signals, tmp_path: Path) -> None:
    report = tmp_path / "report"
    container = box({"one": "Good"}, component_params={"report_file": str(report)})
    container.wait_for(UP)
    started = time.monotonic()
    container.signal(number)
    assert container.exit_code() == 0, container.text()
    assert time.monotonic() - started < 5.0
    assert f"stopping: {number.name}" in container.text()
    assert report.read_text() == "/one"


def test_second_signal_is_ignored_and_hanging_clean_up_is_cut_off_with_stacks(box: Any) -> None:
    container = box({"one": "HangsInCleanUp"}, params={"shutdown_timeout_s": 1.0})
    container.wait_for(UP)
    container.signal(signal.SIGINT)
    container.wait_for("stopping: SIGINT")
    container.signal(signal.SIGINT)
    assert container.exit_code() == 70, container.text()
    assert "SIGINT ignored, already stopping" in container.text()
    assert "took longer than 1 s" in container.text()
    assert "wait_for_nothing" in container.text()


@pytest.mark.parametrize("cls", ["HangsInCallback", "LeavesThread"])
def test_a_hang_outside_clean_up_is_cut_off_too(box: Any, cls: str) -> None:
    container = box({"one": cls}, params={"shutdown_timeout_s": 1.0})
    container.wait_for(UP)
    time.sleep(0.3)
    container.signal(signal.SIGTERM)
    assert container.exit_code() == 70, container.text()
    assert "wait_for_nothing" in container.text()


def test_crash_in_a_callback_ends_the_process_with_the_components_name(box: Any, tmp_path: Path) -> None:
    report = tmp_path / "report"
    container = box({"innocent": "Good", "bad": "Crashes"}, component_params={"report_file": str(report)})
    assert container.exit_code() == 1, container.text()
    assert "component /bad failed: RuntimeError: boom in tick" in container.text()
    assert "in tick" in container.text()  # the traceback
    assert report.exists(), "reports are written after a crash"


def test_crash_is_counted_when_told_to_continue(box: Any) -> None:
    container = box({"bad": "Crashes"}, params={"on_component_error": "continue"})
    container.wait_for("component /bad failed in a callback (3 so far)")
    container.signal(signal.SIGINT)
    assert container.exit_code() == 0, container.text()


def test_start_up_names_every_component_that_failed(box: Any) -> None:
    container = box({"fine": "Good", "cam": "Raises", "gone": "NoClass"})
    assert container.exit_code() == 1
    assert "start-up incomplete" in container.text()
    assert "cam failed to load: ValueError: no camera at /dev/video9" in container.text()
    assert "gone failed to load: component" in container.text()
    assert "fine" not in container.text().split("start-up incomplete")[1].splitlines()[0]


def test_missing_component_may_be_tolerated_by_configuration(box: Any) -> None:
    container = box({"fine": "Good", "cam": "Raises"}, params={"exit_on_missing": False})
    container.wait_for("start-up incomplete")
    time.sleep(0.2)
    assert container.process.poll() is None
    container.signal(signal.SIGINT)
    assert container.exit_code() == 0


def test_failing_clean_up_is_reported_and_spoils_the_exit_code(box: Any) -> None:
    container = box({"one": "RaisesInCleanUp"})
    container.wait_for(UP)
    container.signal(signal.SIGINT)
    assert container.exit_code() == 1
    assert "clean-up of /one failed: OSError: disk full" in container.text()


@pytest.mark.parametrize(
    ("params", "text"),
    [({"startup_timeout": 3.0}, "did you mean 'startup_timeout_s'?"), ({"realtime_priority": 120}, "allowed: 0 (off) to 99")],
)
def test_wrong_parameters_are_refused(box: Any, params: dict[str, Any], text: str) -> None:
    container = box({"one": "Good"}, params=params)
    assert container.exit_code() == 2
    assert text in container.text()
