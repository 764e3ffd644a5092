"""The command: verbs are found by their modules, and exit codes mean what the help says."""

import subprocess
import sys
from pathlib import Path

import pytest

from heron_bringup import cli, paths
from heron_bringup.verbs import test as test_verb


def test_help_lists_every_verb_with_its_line_and_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    said = capsys.readouterr().out
    known = cli.verbs()
    assert {"setup", "test"} <= set(known)
    for verb, summary in known.items():
        assert summary, f"verbs/{verb}.py has no docstring"
        assert f"  {verb} " in said
        assert f"./heron {verb}" in said, f"no example of {verb}"


@pytest.mark.parametrize("verb", sorted(cli.verbs()))
def test_each_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == 0
    assert f"./heron {verb}" in capsys.readouterr().out


COMMANDS = sorted(path.stem.partition("_")[::2] for path in Path(cli.__file__).parent.glob("verbs/[a-z]*_[a-z]*.py"))


@pytest.mark.parametrize(("verb", "command"), COMMANDS)
def test_each_module_beside_a_verb_is_one_of_its_commands(verb: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == 0
    assert f" {command} " in capsys.readouterr().out
    assert cli.main([verb, command, "--help"]) == 0
    assert f"./heron {verb} {command}" in capsys.readouterr().out


def test_wrong_use_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fly"]) == 2
    assert "no verb 'fly'" in capsys.readouterr().err
    assert cli.main(["test", "--no-such-option"]) == 2


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PermissionError(13, "Permission denied", "/x/y"), 2, "heron setup: /x/y: Permission denied"),
        (OSError(28, "No space left on device"), 1, "heron setup: writing: No space left on device"),
    ],
)
def test_trouble_with_files_is_one_line(
    error: OSError, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("typer.echo", fail)
    assert cli.main(["setup"]) == code
    assert capsys.readouterr().err.strip() == said


def test_the_overview_loads_no_heavy_library() -> None:
    code = (
        "import sys; from heron_bringup import cli; cli.main([]);"
        "heavy = {'typer', 'rich', 'numpy', 'cv2', 'rclpy'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_folders_of_a_clone_are_found() -> None:
    root = paths.repository_root()
    assert root is not None
    assert (root / "heron").is_file()
    assert paths.config_folder() == root / "config"
    assert paths.launch_folder() == root / "launch"


def test_slow_tests_run_only_when_asked() -> None:
    root = paths.repository_root()
    assert root is not None
    quick = test_verb.pytest_command(root, [], None, slow=False, workers=1)
    assert quick[-2:] == ["-m", "not slow"]
    assert "not slow" not in test_verb.pytest_command(root, [], None, slow=True, workers=1)
    assert any(path.endswith("heron_bringup/test") for path in quick)
