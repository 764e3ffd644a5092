"""Scenarios by name and by path, and what is wrong with them."""

from pathlib import Path

import pytest

from heron_core.errors import ConfigError, InputError
from heron_sim.scenario import lasting, load_scenario, scenario_names

CONFIG = Path(__file__).resolve().parents[3] / "config" / "scenario"
NAMES = scenario_names(CONFIG)


def test_a_dozen_is_shipped_and_the_default_is_among_them() -> None:
    assert len(NAMES) >= 12
    assert {"town", "empty_road", "traffic_guide"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_shipped_scenario_says_what_it_proves(name: str) -> None:
    scenario = load_scenario(name, CONFIG)
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "Proves" in text.splitlines()[0]
    assert (scenario.name, scenario.folder) == (name, CONFIG)
    assert scenario.config.criteria.distance_m > 0.0  # standing still proves nothing
    assert scenario.config.criteria.at_fault_collisions == scenario.config.criteria.red_lights_run == 0


def test_titles_differ() -> None:
    assert len({load_scenario(name, CONFIG).config.title for name in NAMES}) == len(NAMES)


def test_an_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no scenario 'nightcity'; did you mean night_city\? there are: .*curves, .*town"):
        load_scenario("nightcity", CONFIG)
    with pytest.raises(InputError, match=r"no scenario 'xyz'; there are: "):
        load_scenario("xyz", CONFIG)


def test_a_path_is_a_scenario_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("title: mine\nseconds: 5\ntraffic:\n  work_zone: {at_m: 50}\nroute:\n  turns: [left]\n")
    scenario = load_scenario(str(path), CONFIG)
    assert (scenario.name, scenario.folder, scenario.config.seconds) == ("mine", tmp_path, 5.0)
    assert scenario.config.traffic.work_zone is not None
    assert scenario.config.traffic.work_zone.at_m == 50.0
    with pytest.raises(InputError, match=r"gone.yaml: no such scenario file"):
        load_scenario(str(tmp_path / "gone.yaml"), CONFIG)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wether: {light: night}", r"mine.yaml: unknown key 'wether'; did you mean 'weather'"),
        ("weather: {light: noon}", r"mine.yaml: weather: light: 'noon' is not one of day, dusk, night"),
        ("traffic: {cars: 900}", r"mine.yaml: traffic: cars = 900, allowed 0 .. 200"),
        ("route: {turns: [back]}", r"mine.yaml: route: turns\[0\]: 'back' is not one of follow, left, right, straight"),
        ("seconds: 0", r"mine.yaml: seconds = 0.0, allowed 1 .. 3600"),
        ("town: {seed: -1}", r"mine.yaml: town: seed = -1, allowed 0 .. "),
        ("traffic: {crossing_pedestrian_m: .nan}", r"mine.yaml: traffic: crossing_pedestrian_m = nan, allowed 0 .. 20000"),
        ("traffic: {cut_in_s: -1}", r"mine.yaml: traffic: cut_in_s = -1.0, allowed 0 .. 3600"),
        ("traffic: {lead_stops_s: 5}", r"mine.yaml: traffic: lead_stops_s = 5, but no lead_car"),
        ("criteria: {off_road_s: .nan}", r"mine.yaml: criteria: off_road_s = nan, allowed 0 .. 3600"),
        ("criteria: {red_lights_run: -1}", r"mine.yaml: criteria: red_lights_run = -1, allowed 0 .. "),
        ("- a list", r"mine.yaml: holds list, expected a mapping"),
        ("a: [", r"mine.yaml: not valid yaml"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_scenario(str(path), CONFIG)


def test_a_file_may_end_in_yml(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("seconds: 5\n")
    scenario = load_scenario(str(path), CONFIG)
    assert (scenario.name, scenario.path, scenario.folder) == ("mine", path, tmp_path)


def test_no_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder of scenarios"):
        load_scenario("town", tmp_path / "gone")


def test_a_scenario_may_last_longer_or_shorter() -> None:
    town = load_scenario("town", CONFIG)
    assert lasting(town, None) is town
    assert lasting(town, 7.0).config.seconds == 7.0
    assert lasting(town, 7.0).config.traffic == town.config.traffic
    guide = load_scenario("traffic_guide", CONFIG)
    half, longer = lasting(guide, guide.config.seconds / 2.0).config.criteria, lasting(guide, guide.config.seconds + 1.0).config.criteria
    assert (half.distance_m, half.must_stop_for_guide) == (guide.config.criteria.distance_m / 4.0, False)
    assert longer == guide.config.criteria
    assert longer.must_stop_for_guide
    with pytest.raises(InputError, match=r"town: seconds = 0.0, allowed 1"):
        lasting(town, 0.0)


def test_the_example_of_the_readme_is_a_scenario(tmp_path: Path) -> None:
    lines = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8").splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("    # Rain, a lead car"))
    block = [line[4:] for line in lines[begin : lines.index("", begin)]]
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(block) + "\n")
    config = load_scenario(str(path), CONFIG).config
    assert (config.weather.sky, config.seconds, config.town.seed, config.criteria.must_stop) == ("rain", 45.0, 12, True)
