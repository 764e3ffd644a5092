"""The launch reader: what it understands, and what it refuses with file and line."""

import re
from pathlib import Path

import pytest

from heron_runtime.launch_reader import LaunchError, arguments, parse

CONTAINER = 'pkg="heron_runtime" exec="component_container"'


def write(folder: Path, body: str, name: str = "t.launch.xml") -> Path:
    path = folder / name
    path.write_text(f"<launch>\n{body}\n</launch>\n")
    return path


def one_component(folder: Path, inner: str, before: str = "", **args: str) -> dict[str, object]:
    """Parameters of a component with `inner` as its content; line 1 of `inner` is line 5 of the file."""
    body = f'{before}\n<node_container {CONTAINER} name="box" namespace="">\n<composable_node pkg="p" plugin="p::A" name="a">\n{inner}\n'
    path = write(folder, body + "</composable_node>\n</node_container>")
    return parse(path, args, {"HOME": "/home/me"})[0].components[0].params  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('value="5"', 5),
        ('value="5.0"', 5.0),
        ('value="1e5"', "1e5"),
        ('value="true"', True),
        ('value="off"', False),
        ('value=""', ""),
        ("value=\"'5'\"", "5"),
        ('value="5" type="str"', "5"),
        ('value="5" type="float"', 5.0),
        ('value="1" type="bool"', True),
        ('value="[1, 2]"', [1, 2]),
        ('value="[a, b]"', ["a", "b"]),
        ('value="[$(var n), 8]"', [7, 8]),
        ('value="[1.0]" type="list_of_float"', [1.0]),
        ('value="$(var n)"', 7),
        ('value="$(var n)" type="str"', "7"),
        ('value="/x/$(var n)"', "/x/7"),
        ('value="$(env HOME)"', "/home/me"),
        ("value=\"$(env NO_SUCH 'a b')\"", "a b"),
        ('value="$(env NO_SUCH $(env HOME))"', "/home/me"),
        ('value="5$"', "5$"),
    ],
)  # each row is what ros2 launch (Jazzy) gives
def test_values_have_the_types_of_ros_launch(tmp_path: Path, attributes: str, expected: object) -> None:
    value = one_component(tmp_path, f'<param name="v" {attributes}/>', '<arg name="n" default="7"/>')["v"]
    assert value == expected
    assert type(value) is type(expected)


def test_parameter_files_wildcard_then_node_and_later_wins(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "/**:\n  ros__parameters: {speed: 1, nested: {x: [1, 2.5]}, text: '5'}\n/ns/a:\n  ros__parameters: {speed: 2}\n"
        "a:\n  ros__parameters: {speed: 3}\n/other:\n  ros__parameters: {strange: 1}\n"
    )
    params = one_component(tmp_path, '<param name="text" value="x"/><param from="$(dirname)/p.yaml"/><param name="nested.y" value="1"/>')
    assert params == {"speed": 3, "nested.x": [1.0, 2.5], "text": "5", "nested.y": 1}
    assert one_component(tmp_path, '<param from="$(dirname)/p.yaml"/><param name="speed" value="9"/>')["speed"] == 9


def test_scopes_conditions_includes_and_environment(tmp_path: Path) -> None:
    write(
        tmp_path,
        f'<arg name="who"/>\n<arg name="twice" default="$(var who)$(var who)"/>\n<node_container {CONTAINER} name="inner" namespace="$(var twice)"/>',
        "inner.launch.xml",
    )
    path = write(
        tmp_path,
        f"""
      <arg name="live" default="false"/>
      <let name="x" value="outer"/>
      <group><let name="x" value="inner"/><set_env name="A" value="1"/><node pkg="p" exec="e" name="$(var x)" args="--flag 'a b'"/></group>
      <group if="$(var live)"><node pkg="p" exec="e" name="live_only"/></group>
      <set_env name="B" value="2"/>
      <node_container {CONTAINER} name="box" namespace="/ns" unless="$(var live)">
        <param name="nice" value="5"/>
        <composable_node pkg="p" plugin="p::A" name="a" namespace="n"><remap from="in" to="/out"/></composable_node>
        <composable_node pkg="p" plugin="p::B" name="b" if="$(var live)"/>
      </node_container>
      <include file="$(dirname)/inner.launch.xml"><arg name="who" value="$(var x)"/></include>""",
    )
    node, box, inner = parse(path)
    assert (node.name, node.env, node.arguments) == ("inner", {"A": "1"}, ("--flag", "a b"))
    assert (box.namespace, box.env, box.params) == ("/ns", {"B": "2"}, {"nice": 5})
    assert [(c.full_name, c.remaps) for c in box.components] == [("/n/a", (("in", "/out"),))]
    assert inner.namespace == "outerouter"
    assert [process.name for process in parse(path, {"live": "1"})] == ["inner", "live_only", "inner"]


@pytest.mark.parametrize(
    ("body", "line", "text"),
    [
        ("\n<executable cmd='ls'/>", 3, "tag <executable> is not supported (supported: arg, let"),
        ("<group><param name='a' value='1'/></group>", 2, "tag <param> is not supported inside <group>"),
        (f"\n\n<node_container {CONTAINER} name='b' namespace='' respawn='true'/>", 4, "attribute 'respawn' of <node_container> is not supported"),
        ("<node pkg='p'/>", 2, "<node> needs the attribute 'exec'"),
        (f"<node_container {CONTAINER} name='b'/>", 2, "<node_container> needs the attribute 'namespace'"),
        ("<let name='a' value='$(eval 1+1)'/>", 2, "substitution $(eval …) is not supported (supported: var, env,"),
        ("<let name='a' value='$(var b)'/>", 2, "$(var b) is not defined here (defined: none)"),
        ("<let name='a' value='$(var b'/>", 2, "is not closed"),
        ("<let name='a' value='$(env NO_SUCH)'/>", 2, "environment variable NO_SUCH is not set"),
        ("<let name='a' value='$(find-pkg-share no_such_pkg)'/>", 2, "package 'no_such_pkg' is not installed"),
        ("<let name='a' value='C:\\x'/>", 2, "escapes"),
        ("<group if='maybe'/>", 2, "condition 'maybe' is none of true, false, 1, 0"),
        ("<group if='1' unless='0'/>", 2, "both 'if' and 'unless'"),
        ("\n<arg name='bag' description='the recording'/>", 3, "argument 'bag' must be given: the recording"),
        ("<arg name='m' default='c'><choice value='a'/><choice value='b'/></arg>", 2, "argument m is 'c', allowed: a, b"),
        ("<include file='$(dirname)/t.launch.xml'/>", 2, "includes itself"),
        ("some text", 2, "text 'some text' between tags"),
        ("<let name='a'", 3, "not valid XML"),
    ],
)
def test_refusals_name_file_line_and_what_is_allowed(tmp_path: Path, body: str, line: int, text: str) -> None:
    with pytest.raises(LaunchError, match=re.escape(text)) as caught:
        parse(write(tmp_path, body), {}, {})
    assert str(caught.value).startswith(f"{tmp_path / 't.launch.xml'}:{line}: ")


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("<param name='v' value='[1, 2.5]'/>", "parameter v: '[1, 2.5]' is a list; a ROS parameter holds"),
        ("<param name='v' value='null'/>", "NoneType"),
        ("<param name='v' value='[]'/>", "empty list"),
        ("<param name='v' value='x' type='int'/>", "'x' is not a int"),
        ("<param name='v' value='1' type='double'/>", "type 'double' is unknown (known: str"),
        ("<param name='v'/>", "<param> needs a name with either a value or nested"),
        ("<param from='/no/such.yaml'/>", "/no/such.yaml: cannot be read"),
        ("<param from='x' name='y'/>", "takes no other attribute"),
        ("<extra_arg name='threads' value='2'/>", "extra argument 'threads' is not supported"),
    ],
)
def test_parameter_refusals(tmp_path: Path, inner: str, text: str) -> None:
    with pytest.raises(LaunchError, match=re.escape(text)) as caught:
        one_component(tmp_path, inner)
    assert f"{tmp_path / 't.launch.xml'}:5: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("/*/a: {ros__parameters: {x: 1}}", "wildcard '/*/a' is not supported"),
        ("a: {x: 1}", "stands outside ros__parameters"),
        ("a: {ros__parameters: {x: null}}", "/a: x: 'None' is a NoneType"),
        ("a: {ros__parameters: 3}", "ros__parameters holds int"),
    ],
)
def test_parameter_file_refusals(tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / "p.yaml").write_text(content)
    with pytest.raises(LaunchError, match=re.escape(text)):
        one_component(tmp_path, '<param from="$(dirname)/p.yaml"/>')


def test_unknown_argument_and_duplicate_names(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=re.escape("unknown argument bags (the file has: bag)")):
        parse(write(tmp_path, '<arg name="bag" default=""/>'), {"bags": "x"})
    with pytest.raises(LaunchError, match="/n is used more than once"):
        parse(write(tmp_path, '<node pkg="p" exec="e" name="n"/>\n<node pkg="p" exec="e" name="n"/>'))


def test_arguments_lists_the_top_level_args(tmp_path: Path) -> None:
    path = write(tmp_path, '<arg name="bag" default="" description="a recording"/>\n<arg name="m"><choice value="x"/></arg>')
    bag, mode = arguments(path)
    assert (bag.name, bag.default, bag.description) == ("bag", "", "a recording")
    assert (mode.default, mode.choices) == (None, ("x",))
