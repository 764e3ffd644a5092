"""Acts begin in order, when their conditions have held, and are repeated until they worked."""

from __future__ import annotations

from pathlib import Path

import pytest

from heron_control.proving_ground.scripted_driver import Act, Doing, ScriptedDriver, load_script, parse_act
from heron_core.errors import ConfigError


def play(driver: ScriptedDriver, start_s: float, end_s: float, speed_mps: float = 10.0, followed: bool = False) -> list[tuple[float, Doing]]:
    ticks = range(round(start_s * 100), round(end_s * 100))
    return [(i / 100, driver.step(i / 100, speed_mps, followed)) for i in ticks]


def times(doings: list[tuple[float, Doing]], signal: str) -> list[float]:
    return [time_s for time_s, doing in doings if signal in doing.signals]


def test_a_button_is_pressed_for_its_time() -> None:
    driver = ScriptedDriver([Act("engage_button", at_s=1.0, for_s=0.2)])
    pressed = times(play(driver, 0, 3), "engage_button")
    assert pressed[0] == 1.0 and pressed[-1] == 1.19 and len(pressed) == 20
    assert driver.done


def test_it_is_pressed_again_until_it_worked() -> None:
    driver = ScriptedDriver([Act("engage_button", until="followed"), Act("cancel_button", when="followed", after_s=0.5)])
    assert [time_s for time_s, doing in play(driver, 0, 3.5) if doing.began] == [0.0, 1.0, 2.0, 3.0]
    later = play(driver, 3.5, 6, followed=True)
    assert times(later, "cancel_button")[0] == 4.0 and not times(later, "engage_button") and driver.done


def test_a_condition_must_hold_without_a_break() -> None:
    driver = ScriptedDriver([Act("engage_button", when="standing", after_s=1.0)])
    assert not times(play(driver, 0, 0.9, speed_mps=0.0), "engage_button")
    assert not times(play(driver, 0.9, 1.0, speed_mps=1.0), "engage_button")
    assert times(play(driver, 1.0, 3.0, speed_mps=0.0), "engage_button")[0] == 2.0


def test_acts_keep_their_order() -> None:
    driver = ScriptedDriver([Act("engage_button", when="standing"), Act("brake", 0.5)])
    assert not times(play(driver, 0, 1), "brake")
    assert times(play(driver, 1, 2, speed_mps=0.0), "brake")[0] == 1.0


def test_pedals_move_the_car_and_the_brake_wins() -> None:
    driver = ScriptedDriver([Act("throttle", 0.5), Act("brake", 0.25, at_s=0.1, for_s=0.1)])
    found = play(driver, 0, 0.5)
    assert found[0][1].accel_mps2 == 1.5 and "brake_pressed" not in found[0][1].signals
    assert found[10][1].accel_mps2 == -2.0 and found[10][1].signals == {"throttle": 0.5, "brake": 0.25, "brake_pressed": 1.0}
    assert found[40][1].accel_mps2 is None


def test_the_bus_goes_off() -> None:
    found = play(ScriptedDriver([Act("bus_off", at_s=0.5, for_s=0.1)]), 0, 1)
    assert [time_s for time_s, doing in found if doing.bus_off] == [i / 100 for i in range(50, 60)] and not found[50][1].signals


def test_a_script_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text("acts:\n  - {do: engage_button, at_s: 1, until: followed}\n  - {do: driver_torque, value: -4.0, when: followed, after_s: 2}\n")
    assert load_script(path) == (
        Act("engage_button", at_s=1, until="followed"),
        Act("driver_torque", -4.0, when="followed", after_s=2),
    )
    assert parse_act("do=driver_torque,value=-4,when=followed,after_s=2") == load_script(path)[1]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("do=horn", "do = 'horn'"),
        ("do=brake,value=2", "value = 2.0 of brake"),
        ("do=brake,for_s=-1", "for_s = -1.0, allowed >= 0"),
        ("do=brake,at_s=nan", "at_s = nan"),
        ("do=brake,when=raining", "when"),
        ("do=brake,force=3", "force"),
        ("brake", "'brake' is no key=value"),
    ],
)
def test_impossible_acts_are_refused(act: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_act(act)
