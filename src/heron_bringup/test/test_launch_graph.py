"""The graph of launch/heron.launch.xml fits its components: every parameter is one that the component's config accepts."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from heron_bag.config import RecorderConfig
from heron_bringup.paths import config_folder, launch_folder
from heron_camera.config import CameraConfig, FramesConfig
from heron_can.config import CanConfig
from heron_control.config import ControlConfig
from heron_remote.config import RemotePolicyConfig, ServerConfig
from heron_runtime.config import ContainerConfig
from heron_runtime.domain import own_domain
from heron_runtime.launch_reader import Component, Process, arguments, parse
from heron_runtime.param_files import parameters_for
from heron_runtime.params import RuntimeConfig, config_from_parameters, split_runtime
from heron_sim.config import ExpertNodeConfig, WorldNodeConfig
from heron_vla.config import PolicyConfig

CONFIGS = {
    "world": WorldNodeConfig,
    "camera": CameraConfig,
    "frames": FramesConfig,
    "policy": PolicyConfig,
    "recorder": RecorderConfig,
    "can": CanConfig,
    "control": ControlConfig,
}
PLANNERS = {"heron_sim::ExpertNode": ExpertNodeConfig, "heron_remote::RemotePolicyNode": RemotePolicyConfig}
CAR = {"policy": "/p"}
SIM = {**CAR, "simulated": "true", "scenario": "/s.yaml", "seed": "7", "profile": str(config_folder() / "profile/sim.yaml")}
EXPERT = {**SIM, "expert": "true"}
REPLAY = {"policy": "/p", "bag": "/b", "profile": str(config_folder() / "profile/replay.yaml"), "time_offset_ns": "12", "report_dir": "/r"}


def graph(given: dict[str, str]) -> tuple[list[Process], dict[str, Component]]:
    processes = parse(launch_folder() / "heron.launch.xml", given)
    return processes, {component.name: component for process in processes for component in process.components}


def configs(given: dict[str, str]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    for name, component in graph(given)[1].items():
        runtime, own = split_runtime(component.params)
        config_from_parameters(RuntimeConfig, runtime, name)
        kind = PLANNERS.get(component.plugin) or CONFIGS[name]
        built[name] = config_from_parameters(kind, own, name)
    return built


@pytest.mark.parametrize("given", [CAR, {**CAR, "shadow": "true"}, REPLAY, {**REPLAY, "record": "true", "record_to": "/out"}])
def test_parameters_fit_the_components_and_containers(given: dict[str, str]) -> None:
    processes, components = graph(given)
    assert set(configs(given)) == set(CONFIGS) - {"world"} - (set() if "record" in given else {"recorder"})
    for process in processes:
        config = config_from_parameters(ContainerConfig, process.params, process.name)
        assert config.expected_components == tuple(component.name for component in process.components)
    assert [process.name for process in processes] == ["perception", "actuation"]
    assert [component.name for component in processes[1].components] == ["can", "control"]
    assert all(component.full_name == f"/{name}" for name, component in components.items())


@pytest.mark.parametrize(
    ("given", "seeing"),
    [(SIM, ["frames", "policy"]), (EXPERT, ["frames", "policy"]), ({**EXPERT, "images": "false"}, ["policy"])],
)
def test_the_simulated_graph_has_a_world_in_the_place_of_cameras_and_car(given: dict[str, str], seeing: list[str]) -> None:
    processes, components = graph(given)
    assert [[component.name for component in process.components] for process in processes] == [["world"], seeing, ["can", "control"]]
    for process in processes:
        config = config_from_parameters(ContainerConfig, process.params, process.name)
        assert config.expected_components == tuple(component.name for component in process.components)
    built = configs(given)
    assert (built["control"].mode, built["control"].interface, built["can"].interface, built["can"].source) == ("drive", "sim", "sim", "")
    assert set(built["control"].required_components) == {f"/{name}" for name in ["world", *seeing, "can"]}
    assert (built["control"].planner, built["world"].seed, built["world"].scenario) == ("/policy", 7, "/s.yaml")
    assert built["world"].images is ("frames" in seeing)
    assert components["policy"].plugin == ("heron_sim::ExpertNode" if given.get("expert") else "heron_vla::PolicyNode")


@pytest.mark.parametrize("given", [CAR, SIM, REPLAY])
def test_a_policy_elsewhere_is_the_same_graph_but_for_one_plugin(given: dict[str, str]) -> None:
    here, away = graph(given)[1], graph({**given, "remote": "true"})[1]
    assert {name for name in away if away[name].plugin != here[name].plugin} == {"policy"} and list(away) == list(here)
    assert (here["policy"].plugin, away["policy"].plugin) == ("heron_vla::PolicyNode", "heron_remote::RemotePolicyNode")
    built, before = configs({**given, "remote": "true"}), configs(given)
    assert built["policy"].remote.domain == 77 and Path(built["policy"].remote.dds).is_file()
    assert (built["control"], built["policy"].policy, built["policy"].recording) == (before["control"], "/p", before["policy"].recording)


def test_the_server_has_the_link_of_the_vehicle() -> None:
    (process,) = parse(launch_folder() / "remote.launch.xml", {"policy": "/p", "report_dir": "/r"})
    (server,) = process.components
    runtime, own = split_runtime(server.params)
    config = config_from_parameters(ServerConfig, own, server.name)
    away = configs({**CAR, "remote": "true"})["policy"].remote
    assert (config.remote.keys, config.remote.domain, config.remote.dds) == (away.keys, away.domain, away.dds)
    assert process.env["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST" and runtime["report_dir"] == "/r"


def test_shadow_never_writes_to_the_cars_buses() -> None:
    shadow = configs({**CAR, "shadow": "true"})
    assert (shadow["control"].mode, shadow["control"].listen_only, shadow["can"].listen_only) == ("shadow", True, True)
    replay = configs(REPLAY)
    assert (replay["control"].mode, replay["control"].interface, replay["can"].interface) == ("shadow", "bag", "bag")
    assert (replay["policy"].recording, configs(CAR)["policy"].recording) == ("/b", "")
    car = configs(CAR)
    assert (car["control"].mode, car["control"].listen_only, car["can"].interface) == ("drive", False, "")


def test_the_graph_keeps_to_this_computer_unless_told_otherwise() -> None:
    for process in graph(CAR)[0]:
        assert process.env["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
        assert process.env["FASTRTPS_DEFAULT_PROFILES_FILE"].endswith("/config/dds/vehicle.xml")
    for process in graph({**CAR, "discovery": "SUBNET", "dds": "/my.xml"})[0]:
        assert process.env["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"
        assert process.env["FASTDDS_DEFAULT_PROFILES_FILE"] == "/my.xml"


SOCKETS = """
import os
import rclpy
from pathlib import Path
rclpy.init()
node = rclpy.create_node("car")
mine = {os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink() and entry.exists()}
first = 7400 + 250 * int(os.environ["ROS_DOMAIN_ID"])  # ports of an RTPS domain: DDSI-RTPS 9.6.2
for row in Path("/proc/net/udp").read_text().splitlines()[1:]:
    address, port = row.split()[1].split(":")
    if f"socket:[{row.split()[9]}]" in mine and first <= int(port, 16) < first + 250:
        print(".".join(str(byte) for byte in reversed(bytes.fromhex(address))))
node.destroy_node()
rclpy.shutdown()
"""


def test_no_port_of_dds_is_open_to_other_computers() -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2")
    with own_domain({}) as domain:
        env = {**os.environ, "ROS_DOMAIN_ID": str(domain), **graph(CAR)[0][0].env}
        done = subprocess.run([sys.executable, "-c", SOCKETS], env=env, capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.split()) == {"127.0.0.1"}, "0.0.0.0 is open to whoever names this computer as a peer"


def test_both_containers_get_malloc_and_fast_dds_settings() -> None:
    for process in graph(CAR)[0]:
        assert Path(process.env["FASTRTPS_DEFAULT_PROFILES_FILE"]).is_file()
        assert int(process.env["MALLOC_MMAP_THRESHOLD_"]) == 1 << 30


@pytest.mark.parametrize("profile", sorted((config_folder() / "profile").glob("*.yaml")), ids=lambda path: path.stem)
def test_profiles_name_only_nodes_of_the_graph(profile: Path) -> None:
    known = {*CONFIGS, "perception", "actuation", "simulation", "policy_server"}
    text = profile.read_text()
    sections = [line[1:-1] for line in text.splitlines() if line.startswith("/")]
    assert sections
    assert set(sections) <= known
    assert all(parameters_for(profile, "", name) for name in sections)


def test_every_argument_is_described() -> None:
    assert all(argument.description for file in launch_folder().glob("*.launch.xml") for argument in arguments(file))
