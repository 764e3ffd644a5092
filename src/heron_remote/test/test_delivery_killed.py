"""A push or a pull that is killed before any of its file operations leaves nothing that is half."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deliveries import RING, content, deliver, digest, fetch, make_policy

from heron_remote import place
from heron_remote.delivery import file_path, find, stock
from heron_remote.pull import pull
from heron_remote.store import Store

OPERATIONS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "shutil.rmtree", "shutil.move", "ctypes.dlsym"}


def killed(work: Callable[[], object], step: int) -> bool:
    """Does the work in a process that is killed before file operation number `step`; False: it came to its end before."""
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            left -= event in OPERATIONS
            if left < 0 and event in OPERATIONS:  # the killing is an event too
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("policies")
    return make_policy(folder / "one", "one"), make_policy(folder / "two", "two")


@pytest.mark.parametrize("stride", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_of_a_killed_push_nothing_is_found_that_is_not_whole(stride: int, policies: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = policies
    deliver(one, Store(str(tmp_path / "before")))
    found: list[str] = []
    for step in range(0, 1000, stride):
        root = Path(shutil.copytree(tmp_path / "before", tmp_path / f"store{step}"))
        store = Store(str(root))
        alive = not killed(lambda store=store: deliver(two, store), step)  # type: ignore[misc]
        assert [row.trouble for row in stock(store, RING) if row.trouble] == []
        assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in (root / "files").iterdir())
        found.append(find("fleet", store, RING).manifest.policy)
        if alive:
            break
        if step % (3 * stride) == 0:
            deliver(two, store)
            assert find("fleet", store, RING).manifest.policy == digest(two)
            assert [row.trouble for row in stock(store, RING) if row.trouble] == []
    assert len(found) > 20 / stride, "so many operations there are at least"
    assert (found[0], found[-1]) == (digest(one), digest(two))
    assert found == sorted(found, key=lambda policy: policy == digest(two)), "once the new one is there it stays"


@pytest.mark.parametrize("stride", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_a_killed_pull_leaves_the_old_policy_or_the_new_one(stride: int, policies: tuple[Path, Path], tmp_path: Path) -> None:
    one, two = policies
    store = Store(str(tmp_path / "store"))
    deliver(two, store)
    manifest = find("fleet", store, RING).manifest
    found: list[bool] = []
    for step in range(0, 1000, stride):
        car = tmp_path / f"car{step}" / "policy"
        shutil.copytree(one, car)
        (place.previous_of(car)).mkdir()
        alive = not killed(lambda car=car: pull(manifest, store, car), step)  # type: ignore[misc]
        assert content(car) in (content(one), content(two))
        found.append(content(car) == content(two))
        if alive:
            break
        assert fetch(store, car) or found[-1]
        assert content(car) == content(two)
    assert len(found) > 20 / stride
    assert (found[0], found[-1]) == (False, True)


def test_a_pull_goes_on_where_it_was_stopped(policies: tuple[Path, Path], tmp_path: Path) -> None:
    store, car = Store(str(tmp_path / "store")), tmp_path / "car"
    deliver(policies[1], store)
    manifest = find("fleet", store, RING).manifest
    card, graph, description = (next(file for file in manifest.files if file.name == name) for name in ("README.md", "driver.onnx", "policy.yaml"))
    beside = tmp_path / ".car.pull"
    beside.mkdir()
    for file, harm in ((card, b""), (graph, b"damaged"), (description, bytes(description.size))):
        half = store.read(file_path(file), 10_000_000)[: file.size // 2]
        (beside / f"{file.sha256}.part").write_bytes(harm or half)
    (beside / "of_another.onnx").write_bytes(b"x")
    asked: list[tuple[str, int]] = []
    pieces = store.pieces
    store.pieces = lambda path, begin=0: asked.append((path, begin)) or pieces(path, begin)  # type: ignore[func-returns-value, method-assign]
    said: list[str] = []
    assert pull(manifest, store, car, said.append)
    assert content(car) == content(policies[1])
    assert asked == [(file_path(card), card.size // 2), (file_path(graph), 7), (file_path(graph), 0), (file_path(description), 0)]
    assert said[0].startswith("README.md: goes on at")
    assert not beside.exists()


def test_two_pulls_do_not_meet(policies: tuple[Path, Path], tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    deliver(policies[1], store)
    manifest = find("fleet", store, RING).manifest
    refusals: list[str] = []

    def meanwhile(policy: object) -> None:
        with pytest.raises(Exception, match="another pull to this place is under way") as refusal:
            pull(manifest, store, tmp_path / "car")
        refusals.append(str(refusal.value))

    assert pull(manifest, store, tmp_path / "car", judge=meanwhile)
    assert len(refusals) == 1
    assert content(tmp_path / "car") == content(policies[1])
