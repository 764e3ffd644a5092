"""The shape of the house, as README.md and the packages promise it."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
ORDER = [
    *("heron_msgs", "heron_core", "heron_runtime", "heron_bag", "heron_camera", "heron_can", "heron_vla", "heron_control"),
    *("heron_remote", "heron_sim", "heron_jadd", "heron_model", "heron_scenario", "heron_studio", "heron_bringup"),
]
"""A package imports the pure modules of packages before it."""

ROS = re.compile(r"^(rclpy|ament_index_python|rosidl_\w+|cv_bridge|\w+_msgs|\w+_interfaces|launch|launch_ros)$")
ROS_ROOMS = {"node.py", "convert.py"}
JUNK_NAMES = {"utils", "util", "helpers", "helper", "misc", "common", "stuff", "tools"}
PACKAGES = sorted(path.parent for path in ROOT.glob("src/heron_*/setup.py"))
MANIFESTS = sorted([*ROOT.glob("src/*/package.xml"), *ROOT.glob("src/interfaces/*/package.xml")])


def modules(package: Path) -> list[Path]:
    """The Python files of a package's import folder."""
    return sorted((package / package.name).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every absolute import in a file, wherever it stands."""
    for item in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(item, ast.Import):
            yield from ((item.lineno, alias.name) for alias in item.names)
        elif isinstance(item, ast.ImportFrom) and item.level == 0 and item.module:
            yield item.lineno, item.module
            yield from ((item.lineno, f"{item.module}.{alias.name}") for alias in item.names)


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_every_package_has_its_place_in_the_order() -> None:
    unknown = [p.name for p in ROOT.glob("src/heron_*") if p.name not in ORDER]
    assert not unknown
    assert PACKAGES


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_imports_follow_the_order(package: Path) -> None:
    wrong = []
    for path in modules(package):
        for line, module in imports(path):
            other = module.split(".")[0]
            if other in ORDER and other != package.name:
                if ORDER.index(other) > ORDER.index(package.name):
                    wrong.append(f"{where(path, line)} imports {module}, which lies below")
                # heron_runtime.node is the base class; every other node.py is private
                if f"{other}.node" in (module, module.rpartition(".")[0]) and other != "heron_runtime":
                    wrong.append(f"{where(path, line)} imports another package's node: {module}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", [p for p in PACKAGES if p.name != "heron_runtime"], ids=lambda p: p.name)
def test_ros_is_imported_in_node_and_convert_only(package: Path) -> None:
    wrong = [
        f"{where(path, line)} imports {module}"
        for path in modules(package)
        if path.name not in ROS_ROOMS
        for line, module in imports(path)
        if ROS.match(module.split(".")[0])
    ]
    assert not wrong, "\n".join(wrong)


TRAINING = {"torch", "transformers", "peft", "accelerate", "safetensors", "onnxscript"}
"""What requirements-model.in installs, for training and export only."""


@pytest.mark.parametrize("package", [p for p in PACKAGES if p.name != "heron_model"], ids=lambda p: p.name)
def test_pytorch_and_its_company_are_imported_in_heron_model_only(package: Path) -> None:
    wrong = [
        f"{where(path, line)} imports {module}" for path in modules(package) for line, module in imports(path) if module.split(".")[0] in TRAINING
    ]
    assert not wrong, "\n".join(wrong)


def test_driving_loads_no_pytorch() -> None:
    """Every module of the policy's package and every verb, with what they import in turn."""
    folders = {"heron_vla": ROOT / "src/heron_vla/heron_vla", "heron_bringup.verbs": ROOT / "src/heron_bringup/heron_bringup/verbs"}
    names = [f"{package}.{path.stem}" for package, folder in folders.items() for path in folder.glob("*.py") if path.stem != "__init__"]
    code = f"import importlib, sys; [importlib.import_module(name) for name in {names}]; sys.exit(', '.join({TRAINING} & set(sys.modules)) or 0)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_files_are_named_after_their_subject() -> None:
    wrong = [
        str(p.relative_to(ROOT)) for package in PACKAGES for p in modules(package) if set(p.relative_to(package).with_suffix("").parts) & JUNK_NAMES
    ]
    assert not wrong


def test_the_set_up_needs_the_standard_library_only() -> None:
    bringup = ROOT / "src/heron_bringup/heron_bringup"
    files = [bringup / name for name in ("__init__.py", "bootstrap.py", "verbs/__init__.py")] + sorted((bringup / "provision").glob("*.py"))
    own = {"heron_bringup", "heron_bringup.bootstrap", "heron_bringup.provision", "heron_bringup.verbs", "heron_bringup.verbs.verb_modules"}
    wrong = []
    for path in files:
        for line, module in imports(path):
            if module.split(".")[0] in sys.stdlib_module_names:
                continue
            if module not in own and not module.startswith("heron_bringup.provision."):
                wrong.append(f"{where(path, line)} imports {module}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda p: p.parent.name)
def test_manifests_are_complete(manifest: Path) -> None:
    package = ElementTree.parse(manifest).getroot()
    assert package.get("format") == "3"
    assert package.findtext("name") == manifest.parent.name, "the set-up takes the folder's name for the package's"
    maintainer = package.find("maintainer")
    assert maintainer is not None
    # An invalid address makes colcon build the package as plain Python: "not found".
    assert re.fullmatch(r"[\w.+-]+@[\w-]+\.[\w.]+", maintainer.get("email", ""))
    assert package.findtext("license")
    assert package.findtext("description")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_packages_have_the_same_rooms(package: Path) -> None:
    for name in (
        "package.xml",
        "setup.py",
        "setup.cfg",
        "README.md",
        f"resource/{package.name}",
        f"{package.name}/__init__.py",
        f"{package.name}/py.typed",
    ):
        assert (package / name).is_file(), f"{package.name}/{name} is missing"
    assert list((package / "test").glob("test_*.py")), f"{package.name} has no tests"
    # Without it colcon test runs unittest and reports "0 tests, OK".
    text = (package / "setup.py").read_text().replace("'", '"')
    assert re.search(r'extras_require=\{"test": \["pytest"\]\}', text)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda p: p.name)
def test_declared_components_exist(package: Path) -> None:
    index = package / "resource" / "rclcpp_components" / package.name
    if not index.exists():
        pytest.skip("declares no components")
    assert "rclcpp_components" in (package / "setup.py").read_text(), "the component index is not installed"
    for line in index.read_text().split():
        plugin, module, name = re.fullmatch(r"([\w:]+);([\w.]+):(\w+)", line).groups()  # type: ignore[union-attr]
        path = package / (module.replace(".", "/") + ".py")
        assert plugin.startswith(f"{package.name}::")
        defined = {item.name for item in ast.parse(path.read_text()).body if isinstance(item, ast.ClassDef)}
        assert name in defined, f"{plugin}: no class {name} in {path.relative_to(ROOT)}"


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_paths_exist() -> None:
    text = readme()
    named = set(re.findall(r"`((?:src|launch|config|docker|test|docs|\.ci)/[\w./-]*)`", text))
    named |= {link for link in re.findall(r"\]\(([^)#\s]+)\)", text) if "://" not in link}
    missing = sorted(name for name in named if not (ROOT / name).exists())
    assert not missing


def test_readme_commands_exist() -> None:
    blocks = re.findall(r"```[\w-]*\n(.*?)```", readme(), flags=re.DOTALL)
    commands = [line.strip() for block in blocks for line in block.splitlines() if line.strip().startswith("./heron")]
    assert commands
    for command in commands:
        words = command.split("#")[0].split()
        verb = words[1] if len(words) > 1 else "--help"
        if verb.startswith("-"):
            continue
        path = ROOT / "src/heron_bringup/heron_bringup/verbs" / f"{verb.replace('-', '_')}.py"
        assert path.is_file(), f"{command}: no verb {verb}"
        source = "\n".join(part.read_text() for part in (path, *sorted(path.parent.glob(f"{path.stem}_*.py"))))
        module = f"heron_bringup.verbs.{path.stem}"
        assert importlib.util.find_spec(module), module
        for option in (word.split("=")[0] for word in words[2:] if word.startswith("--") and word != "--help"):
            long = option.removeprefix("--")
            assert option in source or re.search(rf"\b{long.replace('-', '_')}\s*:", source), f"{command}: no option {option}"
