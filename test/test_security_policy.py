"""The SROS2 policies that ship are what the nodes have: nothing missing, nothing too much; and every process has its enclave."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import rclpy
from drives import ROOT
from outside import Outside
from rclpy.parameter import Parameter

from heron_bag.config import RecorderConfig
from heron_remote.gateway.environment import ENCLAVES
from heron_remote.gateway.node import Gateway
from heron_remote.keys import write_new_key
from heron_remote.node import PolicyServerNode
from heron_runtime.domain import own_domain
from heron_runtime.launch_reader import parse
from heron_runtime.security import enclave_of
from heron_vla.kinematic import ensure_kinematic

pytestmark = pytest.mark.alone

FOLDER = ROOT / "config" / "security"
Node = dict[str, set[str]]
"""publish, subscribe, reply, request → names."""
REPLAY_ONLY = {"clock": None, "policy": {"publish": {"/instruction"}}}
"""What a replay has and the car has not: its time, and the recorded instruction."""
IF_NEED_BE = {"camera": {"/camera/*/video", "/camera/*/image"}, "policy": {"/plan/explanation"}}
"""By what the cameras deliver, and whether the policy speaks; the observed drive has JPEG, and the baseline."""
_ENTRIES = {"topics": ("topic", {"publish", "subscribe"}), "services": ("service", {"reply", "request"})}


def policy(*names: str) -> dict[str, dict[str, Node]]:
    """Enclave → node → what it may, `~` resolved; every file is held to what sros2 takes."""
    found: dict[str, dict[str, Node]] = {}
    for name in names:
        root = ElementTree.parse(FOLDER / f"{name}.policy.xml", ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))).getroot()
        assert (root.tag, root.attrib, [each.tag for each in root]) == ("policy", {"version": "0.2.0"}, ["enclaves"])
        for enclave in root[0]:  # a comment here ends `ros2 security generate_artifacts`
            assert enclave.tag == "enclave" and set(enclave.attrib) == {"path"} and [each.tag for each in enclave] == ["profiles"], name
            nodes = found.setdefault(enclave.attrib["path"], {})
            assert not nodes, f"{enclave.attrib['path']} is there twice"
            for profile in enclave[0]:
                assert profile.tag == "profile" and set(profile.attrib) == {"ns", "node"} and profile.attrib["ns"] == "/"
                nodes[profile.attrib["node"]] = _entries(profile)
    return found


def _entries(profile: ElementTree.Element) -> Node:
    entries: Node = {"publish": set(), "subscribe": set(), "reply": set(), "request": set()}
    for block in profile:
        entry, verbs = _ENTRIES[str(block.tag)]
        assert set(block.attrib) <= verbs and set(block.attrib.values()) == {"ALLOW"} and len(block)
        for item in block:
            assert item.tag == entry and item.text and item.text[0] in "/~"
            for verb in block.attrib:
                assert item.text not in entries[verb], f"{item.text} is there twice"
                entries[verb].add(item.text.replace("~", f"/{profile.attrib['node']}"))
    return entries


def compare(allowed: Node, has: Node, if_need_be: Collection[str] = ()) -> None:
    """Each thing that a node has is allowed, and each allowed expression is for something that it has."""
    for verb, names in has.items():
        missing = {name for name in names if not any(fnmatchcase(name, each) for each in allowed[verb])}
        idle = {each for each in allowed[verb].difference(if_need_be) if not any(fnmatchcase(name, each) for name in names)}
        assert not missing and not idle, f"{verb}: not allowed {sorted(missing)}, allowed for nothing {sorted(idle)}"


def endpoints(node: Any, domain: int) -> Node:
    """Of a node in this process, as others see it: rclpy itself does not tell of all."""
    name = node.get_name()
    with Outside(domain) as outside:
        assert outside.spin(lambda: name in outside.graph(), 10.0)
        outside.spin(lambda: False, 0.3)  # what was made last is found, too
        return outside.graph()[name]


@pytest.fixture
def domain() -> Iterator[int]:
    with own_domain({}) as number:
        rclpy.init(domain_id=number)
        yield number
        rclpy.try_shutdown()


def test_the_cars_nodes_have_what_they_are_allowed(observed: Any) -> None:
    enclaves = policy("perception", "actuation")
    nodes = {name: node for each in enclaves.values() for name, node in each.items()}
    assert set(nodes) == set(observed.graph) - {name for name, only in REPLAY_ONLY.items() if only is None}
    for name, node in nodes.items():
        has = observed.graph[name]
        for verb, only in (REPLAY_ONLY.get(name) or {}).items():
            has[verb] -= only
        if name == "recorder":  # it hears what there is: in this drive less than on the car
            has["subscribe"] = node["subscribe"] | {topic for topic in has["subscribe"] if topic not in ("/clock", "/clock/transition_event")}
        compare(node, has, IF_NEED_BE.get(name, ()))


def test_the_recorder_may_hear_what_is_published_and_no_more() -> None:
    nodes = {name: node for each in policy("perception", "actuation").values() for name, node in each.items()}
    published = {topic for node in nodes.values() for topic in node["publish"]}
    assert nodes["recorder"]["subscribe"] == published - set(RecorderConfig(out="/out").exclude) | {"/instruction"}


def test_the_gateways_have_what_they_are_allowed(domain: int) -> None:
    link = policy("link")
    assert {side: list(link[enclave]) for side, enclave in ENCLAVES.items()} == {side: [f"heron_gateway_{side}"] for side in ENCLAVES}
    for side, enclave in ENCLAVES.items():
        ours, theirs = socket.socketpair()
        with ours, theirs:
            gateway = Gateway(side, theirs)
            compare(link[enclave][gateway.node.get_name()], endpoints(gateway.node, domain))
            gateway.node.destroy_node()
    (vehicle,), (server,) = (link[enclave].values() for enclave in ENCLAVES.values())
    assert vehicle["publish"] - {"/parameter_events"} == server["subscribe"] and server["publish"] - {"/parameter_events"} == vehicle["subscribe"]


def test_the_server_has_what_it_is_allowed(domain: int, tmp_path: Path) -> None:
    write_new_key(tmp_path / "keys")
    given = {"policy": str(ensure_kinematic(tmp_path)), "remote.keys": str(tmp_path / "keys"), "remote.domain": domain}
    node = PolicyServerNode(parameter_overrides=[Parameter(name, value=value) for name, value in given.items()])
    try:
        compare(policy("thinking")["/heron/thinking"]["policy_server"], endpoints(node, domain))
    finally:
        node.destroy_node()


def test_tools_ask_and_hear_what_there_is() -> None:
    served = {name for each in policy("perception", "actuation", "thinking").values() for node in each.values() for name in node["reply"]}
    tools, recorder = policy("tools"), policy("perception")["/heron/perception"]["recorder"]
    (operator,), (launch,) = tools["/heron/operator"].values(), tools["/"].values()
    assert operator["request"] == {"/control/engage", "/control/bookmark"} <= served
    assert launch["request"] == {name for name in served if name.endswith("/_container/load_node")} and not launch["subscribe"]
    assert operator["subscribe"] == recorder["subscribe"] | {"/rosout", "/parameter_events"} and "/plan/trajectory" not in operator["publish"]


@pytest.mark.parametrize(
    ("file", "given", "of"),
    [("heron", {"policy": "/p", "record": "true"}, ("perception", "actuation")), ("remote", {"policy": "/p"}, ("thinking",))],
)
def test_every_process_of_the_launch_files_has_its_enclave(file: str, given: dict[str, str], of: tuple[str, ...]) -> None:
    processes = parse(ROOT / "launch" / f"{file}.launch.xml", given)
    started = {enclave_of(process.arguments, {}): {process.name, *(each.name for each in process.components)} for process in processes}
    assert started == {enclave: set(nodes) for enclave, nodes in policy(*of).items()}
