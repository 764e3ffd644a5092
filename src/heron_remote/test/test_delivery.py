"""A policy goes through a store unchanged or not at all."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from deliveries import RING, content, deliver, digest, fetch, make_policy
from two_ends import ring

from heron_core.errors import HeronError, InputError
from heron_remote import place
from heron_remote.delivery import find, push, stock
from heron_remote.manifest import DeliveryError, Pointer, sign
from heron_remote.pull import pull
from heron_remote.store import Store, StoreError


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("policies")
    return make_policy(folder / "one", "one"), make_policy(folder / "two", "two")


@pytest.fixture
def old(policies: tuple[Path, Path], tmp_path: Path) -> Path:
    """A folder with the first policy, to be replaced."""
    return Path(shutil.copytree(policies[0], tmp_path / "car" / "policy"))


@pytest.fixture
def store(policies: tuple[Path, Path], tmp_path: Path) -> Store:
    """Has the second policy as `fleet`."""
    made = Store(str(tmp_path / "store"))
    deliver(policies[1], made)
    return made


def refused(store: Store, out: Path, wanted: str = "fleet") -> str:
    """Why a pull is refused, in one sentence; what was there before stays to the byte, and nothing else is in the way."""
    before = content(out)
    with pytest.raises(HeronError) as refusal:
        fetch(store, out, wanted)
    assert content(out) == before
    assert not place.previous_of(out).exists()
    text = str(refusal.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("kind", ["folder", "file", "memory"])
def test_a_policy_comes_back_as_it_was(kind: str, policies: tuple[Path, Path], old: Path, tmp_path: Path) -> None:
    store = Store({"folder": str(tmp_path / "s"), "file": f"file://{tmp_path}/s", "memory": f"memory://{uuid.uuid4()}/s"}[kind])
    pointer = push(policies[1], store, RING, None, 5)
    assert (pointer.name, pointer.policy) == ("two", digest(policies[1]))
    assert fetch(store, old, "two")
    assert content(old) == content(policies[1])
    assert content(place.previous_of(old)) == content(policies[0])
    assert not fetch(store, old, pointer.policy[:12]), "it is there already"
    deliver(policies[0], store, "two")
    assert fetch(store, old, "two")
    assert content(old) == content(policies[0])
    assert content(place.previous_of(old)) == content(policies[1]), "the one before that is gone"
    assert sorted(path.name for path in old.parent.iterdir()) == ["policy", "policy.previous"]
    assert fetch(store, tmp_path / "new" / "policy", pointer.policy)
    assert content(tmp_path / "new" / "policy") == content(policies[1])
    first, second = stock(store, RING)
    assert (first.names, first.digest, first.trouble) == (("two",), digest(policies[0]), "")
    assert (second.names, second.digest, second.trouble) == ((), digest(policies[1]), "")


def test_a_file_is_stored_once(policies: tuple[Path, Path], store: Store, tmp_path: Path) -> None:
    said: list[str] = []
    push(policies[1], store, RING, "again", 9, said.append)
    assert said == [f"{name}: is there already" for name in sorted(content(policies[1]))]
    deliver(policies[0], store)
    files = {path.name for path in (tmp_path / "store" / "files").iterdir()}
    assert len(files) == 5, "two descriptions, two cards, one graph"
    assert list((tmp_path / "store" / "parts").iterdir()) == []


def test_what_the_store_damaged_the_next_push_mends(policies: tuple[Path, Path], store: Store, old: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "store" / "files").iterdir():
        path.write_bytes(path.read_bytes()[::-1])
    assert "is not what was pushed" in refused(store, old)
    deliver(policies[1], store)
    assert fetch(store, old)


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize("harm", [flipped, cut, emptied, grown, Path.unlink])
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("names/*", ("forged, changed or cut short", "no signed pointer", "has no policy called fleet")),
        ("policies/*", ("forged, changed or cut short", "no signed manifest", "has no policy")),
        ("files/*", ("is not what was pushed", "bytes,", "is missing")),
    ],
)
def test_what_was_harmed_is_refused(
    pattern: str, expected: tuple[str, ...], harm: Callable[[Path], None], store: Store, old: Path, tmp_path: Path
) -> None:
    for path in sorted((tmp_path / "store").glob(pattern)):
        whole = path.read_bytes()
        harm(path)
        text = refused(store, old)
        assert any(each in text for each in expected)
        if (pattern, harm) not in (("files/*", flipped), ("names/*", Path.unlink)):
            assert any(row.trouble for row in stock(store, RING)), "seen in the list, which reads no files"
        path.write_bytes(whole)
        shutil.rmtree(old.with_name(".policy.pull"), ignore_errors=True)  # what was fetched is not fetched again
    assert fetch(store, old)


def test_only_holders_of_a_key_are_believed(policies: tuple[Path, Path], store: Store, old: Path) -> None:
    deliver(policies[1], store, keys=ring(2))
    assert "signed with key 2, this key file has 1" in refused(store, old)
    deliver(policies[1], store, keys=ring(1, 2))
    assert fetch(store, old, keys=ring(2, 1)), "a key on its way out still counts"


def test_every_bit_of_a_signed_file_counts(store: Store, tmp_path: Path) -> None:
    path = next((tmp_path / "store" / "names").iterdir())
    whole = path.read_bytes()
    for place_of_bit in range(0, 8 * len(whole), 23):
        changed = bytearray(whole)
        changed[place_of_bit // 8] ^= 1 << place_of_bit % 8
        path.write_bytes(changed)
        with pytest.raises(DeliveryError):
            find("fleet", store, RING)
    for length in range(0, len(whole), 19):
        path.write_bytes(whole[:length])
        with pytest.raises(DeliveryError):
            find("fleet", store, RING)
    path.write_bytes(whole * 2000)
    with pytest.raises(StoreError, match="longer than"):
        find("fleet", store, RING)


def test_a_true_file_in_the_place_of_another_is_refused(policies: tuple[Path, Path], store: Store, old: Path, tmp_path: Path) -> None:
    deliver(policies[0], store, "other")
    root, ours, other = tmp_path / "store", digest(policies[1]), digest(policies[0])
    shutil.copy(root / "names/other.pointer", root / "names/fleet.pointer")
    assert "is the pointer of other" in refused(store, old)
    deliver(policies[1], store)
    shutil.copy(root / f"policies/{other}.manifest", root / f"policies/{ours}.manifest")
    assert f"is the manifest of {other[:12]}" in refused(store, old)
    shutil.copy(root / "names/fleet.pointer", root / f"policies/{ours}.manifest")
    assert "no signed manifest" in refused(store, old)


def forged(entries: list[dict[str, object]], policy: str, root: Path) -> None:
    """Puts a manifest there that a holder of the key signed, whatever it says."""
    body = json.dumps({"files": entries, "policy": policy, "pushed_ns": 1, "title": "x"}).encode()
    head = b"heron-delivery 1 manifest 1"
    tag = RING.signing.tag((head, b"\n", body)).hex().encode()
    (root / f"policies/{policy}.manifest").write_bytes(head + b" " + tag + b"\n" + body)


@pytest.mark.parametrize(
    "name", ["../policy.yaml", "/etc/policy.yaml", "..", ".", "", ".hidden", "a/b.onnx", "a\\b", "a\nb", "a\x00b", "x" * 81, "POLICY.yaml", "~a", 7]
)
def test_no_name_leads_out_of_the_folder(name: object, policies: tuple[Path, Path], store: Store, old: Path, tmp_path: Path) -> None:
    """Not even with a true signature: another version, or a wrong one, may have made it."""
    ours = digest(policies[1])
    true = {"name": "policy.yaml", "size": 3, "sha256": "0" * 64}
    forged([true, {**true, "name": name}], ours, tmp_path / "store")
    refused(store, old)
    assert "x.onnx" not in content(tmp_path)


@pytest.mark.parametrize("wanted", ["../fleet", "", "names/fleet", ".", "a b", "f" * 81])
def test_no_wanted_name_leads_out_of_the_store(wanted: str, store: Store, old: Path) -> None:
    assert "cannot be the name of a policy" in refused(store, old, wanted)


def test_a_name_that_is_not_there_is_told_what_is(store: Store, old: Path, tmp_path: Path) -> None:
    assert "has no policy called night; it has fleet" in refused(store, old, "night")
    assert "has 0 policies whose digest begins with 0123456789ab" in refused(store, old, "0123456789ab")
    assert "it has none" in refused(Store(str(tmp_path / "nowhere")), old)
    assert not (tmp_path / "nowhere").exists(), "looking makes nothing"


def test_a_policy_that_the_car_would_refuse_is_not_put_in_place(policies: tuple[Path, Path], store: Store, old: Path) -> None:
    """A true manifest of files that are no such policy."""
    found = find("fleet", store, RING).manifest
    wrong = sign(Pointer("fleet", digest(policies[0]), 3), RING)
    store.put("names/fleet.pointer", [wrong])
    forged([vars(file) for file in found.files], digest(policies[0]), Path(store._root))
    assert f"the files make policy {digest(policies[1])[:12]}" in refused(store, old)


def test_who_judges_has_the_last_word(store: Store, old: Path) -> None:
    before = content(old)

    def judge(policy: object) -> None:
        raise InputError("it looks the wrong way")

    with pytest.raises(HeronError, match=r"refused: it looks the wrong way; .* stays as it was"):
        pull(find("fleet", store, RING).manifest, store, old, judge=judge)
    assert content(old) == before


def test_only_policies_are_pushed_and_only_policies_replaced(policies: tuple[Path, Path], store: Store, old: Path, tmp_path: Path) -> None:
    for make, text in [
        (lambda: (old / ".DS_Store").write_text(""), "cannot be the name of a file"),
        (lambda: (old / "notes").mkdir(), "a policy folder has files only"),
        (lambda: (old / "policy.yaml").unlink(), "no policy.yaml"),
    ]:
        make()
        with pytest.raises(InputError, match=text):
            deliver(old, store)
        shutil.rmtree(old / "notes", ignore_errors=True)
        (old / ".DS_Store").unlink(missing_ok=True)
    with pytest.raises(DeliveryError, match="give another one with --name"):
        deliver(policies[0], store, "../../etc")
    with pytest.raises(DeliveryError, match="reads like a digest"):
        deliver(policies[0], store, "0123456789ab")
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "text.tex").write_text("years of work")
    with pytest.raises(InputError, match="is no policy folder; move it away"):
        fetch(store, thesis)
    thesis.rename(place.previous_of(tmp_path / "fine"))
    shutil.copytree(policies[0], tmp_path / "fine")
    with pytest.raises(InputError, match=r"fine.previous: exists and is no policy folder"):
        fetch(store, tmp_path / "fine")
    assert [row.names for row in stock(store, RING)] == [("fleet",)], "what was refused left nothing"


def test_a_file_system_that_cannot_exchange_is_served_too(
    store: Store, old: Path, policies: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "_exchanged", lambda one, other: False)
    assert fetch(store, old)
    assert content(old) == content(policies[1])
    assert content(place.previous_of(old)) == content(policies[0])


def test_a_link_is_followed(store: Store, old: Path, policies: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(old)
    assert fetch(store, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert content(old) == content(policies[1])


def test_a_wrong_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nonsense"):
        Store("nonsense://user:secret@host/x")
    with pytest.raises(StoreError) as told:
        Store("nonsense://user:secret@host/x")
    assert "secret" not in str(told.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="writing files/x failed"):
        Store(str(tmp_path / "file")).put("files/x", [b"x"])


def test_pointers_of_a_name_only_rise(policies: tuple[Path, Path], store: Store) -> None:
    late = deliver(policies[0], store, now_ns=1_000)
    assert deliver(policies[1], store, now_ns=10).pushed_ns > late.pushed_ns, "a host whose clock is behind"
