"""PyTorch and its company: installed for those who need it, complete or not at all."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.markers import Marker

from heron_bringup import bootstrap
from heron_bringup.provision import checks, model_stack
from heron_bringup.provision.errors import SetupError

ROOT = bootstrap.repository_root()
FAKE_PIP = """#!/bin/sh
echo "$@" >> {log}
case "$*" in *"index versions"*) echo "torch (2.15.0)"; echo "Available versions: 2.15.0, {version}, 2.13.0, 2.12.1" ;; *) exit {code} ;; esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with its two files for the model."""
    (tmp_path / "requirements-model.in").write_text("-c requirements.txt\ntorch==2.13.0  # exact\npeft\n")
    (tmp_path / "requirements-model.txt").write_text("peft==0.21.2\n")
    return tmp_path


def fake_pip(clone: Path, version: str = "2.13.0+cpu", code: int = 0) -> Path:
    """A python that writes down how it is called as pip, and offers one build of torch."""
    script, log = clone / ".venv/bin/python", clone / "calls.txt"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(FAKE_PIP.format(log=log, version=version, code=code))
    script.chmod(0o755)
    return log


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("model train --preset tiny", True),
        ("model", False),
        ("model --help", False),
        ("model train --help", False),
        ("model push POLICY --store STORE", False),
        ("model pull train --store STORE --out POLICY", False),
        ("model list --store STORE", False),
        ("test", True),
        ("test --slow -k torch", True),
        ("test src/heron_core/test/test_se3.py::test_inverse", False),
        ("test src/heron_core src/heron_model/test", True),
        ("test test", True),
        ("drive", False),
        ("bench model", False),
        ("bag info model", False),
        ("sim matrix town --policy kinematic", False),
        ("", False),
    ],
)
def test_only_training_and_tests_want_it(words: str, wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_stack, "FIRST_PYTHON", (3, 10))
    for name in ("src/heron_core/test/test_se3.py", "src/heron_model/test/test_model.py", "test/conftest.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert model_stack.wants_model(tmp_path, words.split(), tmp_path) == wanted


def test_a_python_without_transformers_tests_the_rest(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_stack, "FIRST_PYTHON", (4, 0))
    assert not model_stack.wants_model(clone, ["test"], clone)
    assert model_stack.wants_model(clone, ["model", "train"], clone)
    with pytest.raises(SetupError, match=r"3\.11 or 3\.12.*\n.*python3\.12"):
        model_stack.install_model(clone)


@pytest.mark.parametrize(
    ("version", "needed", "said"), [("2.13.0+cpu", model_stack.CPU_BYTES, "1 GB on disk"), ("2.13.0", model_stack.CUDA_BYTES, "3 GB")]
)
def test_the_build_decides_how_much_disk_is_needed(
    version: str, needed: int, said: str, clone: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(model_stack, "FIRST_PYTHON", (3, 10))
    log = fake_pip(clone, version)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    with pytest.raises(SetupError, match=rf"{needed / 1e9:.1f} GB needed"):
        model_stack.install_model(clone)
    assert f"PyTorch {version} " in capfd.readouterr().out
    assert "--require-hashes" not in log.read_text(), "nothing is installed on a disk that is too full"
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=needed))
    model_stack.install_model(clone)
    assert said in capfd.readouterr().out
    locked, torch, compiled = log.read_text().splitlines()[-3:]
    assert "--require-hashes --no-deps" in locked
    assert "requirements-model.txt" in locked
    assert re.search(r"install torch==2\.13\.0( --progress-bar|$)", torch)
    assert compiled.startswith("-m compileall")


def test_what_a_kill_left_half_unpacked_is_installed_again(clone: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(model_stack, "FIRST_PYTHON", (3, 10))
    fake_pip(clone, "2.13.0")
    site = clone / ".venv/lib/python3.11/site-packages"
    for name, whole in (("torch-2.13.0+cpu", True), ("peft-0.21.2", False)):
        (site / f"{name}.dist-info").mkdir(parents=True)
        (site / f"{name}.dist-info" / ("INSTALLER" if whole else "METADATA")).touch()
    model_stack.install_model(clone)
    assert [path.name for path in site.iterdir()] == ["torch-2.13.0+cpu.dist-info"]
    assert "PyTorch 2.13.0+cpu " in capfd.readouterr().out, "the build that is there stays"


def test_a_failure_leaves_it_to_be_done_again(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_stack, "FIRST_PYTHON", (3, 10))
    monkeypatch.setattr(checks, "check_machine", lambda *_: None)
    monkeypatch.setattr(bootstrap, "make_venv", lambda *_: (clone / ".venv").mkdir(exist_ok=True))
    monkeypatch.setattr(bootstrap, "build_workspace", lambda *_: [(clone / name).mkdir(exist_ok=True) for name in ("build", "install")])
    bootstrap.Setup(clone, {}).complete()
    log = fake_pip(clone, code=3)
    bootstrap.Setup(clone, {}).complete()
    assert not log.exists(), "driving does not ask for it"
    with pytest.raises(SetupError, match="exit code 3"):
        bootstrap.Setup(clone, {}).complete(model=True)
    assert not bootstrap.Setup(clone, {}).model_ready()
    fake_pip(clone)
    bootstrap.Setup(clone, {}).complete(model=True)
    assert bootstrap.Setup(clone, {}).model_ready()
    done = log.read_text()
    bootstrap.Setup(clone, {}).complete(model=True)
    assert log.read_text() == done, "the second time nothing is asked of pip"
    (clone / "requirements-model.in").write_text("torch==2.14.0\n")
    assert bootstrap.Setup(clone, {}).workspace_ready(), "nothing is built against it"
    assert not bootstrap.Setup(clone, {}).model_ready()


def test_without_any_offer_pip_is_blamed(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_stack, "FIRST_PYTHON", (3, 10))
    fake_pip(clone)
    (clone / "requirements-model.in").write_text("torch==9.9.9\n")
    with pytest.raises(SetupError, match=r"offered no torch==9\.9\.9"):
        model_stack.install_model(clone)
    (clone / ".venv/bin/python").write_text("#!/bin/sh\necho NewConnectionError >&2; exit 1\n")
    with pytest.raises(SetupError, match=r"package index cannot be reached.*\n.*repeat: the same command"):
        model_stack.install_model(clone)


def test_torch_is_pinned_in_one_place() -> None:
    assert re.fullmatch(r"torch==\d+\.\d+\.\d+", model_stack.torch_requirement(ROOT))
    unhashed = re.compile(r"^(torch|triton|nvidia-\S+)==", re.MULTILINE)
    assert [name for name in ("requirements.txt", "requirements-model.txt") if unhashed.search((ROOT / name).read_text())] == []


@pytest.mark.parametrize("python", ["3.11", "3.12"])
def test_both_locks_name_the_same_versions(python: str) -> None:
    """Else one verb would undo what the other installed."""
    ours, model = (_locked(ROOT / name, python) for name in ("requirements.txt", "requirements-model.txt"))
    assert {"transformers", "peft", "accelerate", "safetensors", "onnxscript", "sympy", "networkx"} <= set(model)
    assert {name: version for name, version in model.items() if ours.get(name, version) != version} == {}
    assert int(ours["setuptools"].split(".")[0]) < 80, "colcon's develop installs"


def _locked(path: Path, python: str) -> dict[str, str]:
    """Name → version of a lock's lines that are valid for `python`."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux", "platform_machine": "x86_64"}
    lines = re.findall(r"^([\w.-]+)==(\S+) ; (.*?) *\\?$", path.read_text(), re.MULTILINE)
    return {name: version for name, version, marker in lines if Marker(marker).evaluate({**environment, "extra": ""})}
