"""A key file that anyone could read, change or guess is refused, and no secret leaves it."""

from __future__ import annotations

import base64
import hashlib
import os
import pickle
import stat
import traceback
from datetime import date
from pathlib import Path

import pytest
from two_ends import secret

from heron_core.errors import ConfigError
from heron_remote.keys import MAX_KEYS, load_keys, rotate, write_new_key

DAY = date(2026, 11, 22)


def shown(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def made(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def one(text: str, number: object = 1, more: str = "") -> str:
    return f"keys:\n- id: {number}\n  secret: {text}\n{more}"


GOOD = one(shown(secret(1)))


@pytest.mark.parametrize("umask", [0, 0o777])
def test_a_new_file_is_for_this_user_only_whatever_the_umask(tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    file, first, fchmod = tmp_path / "keys.yaml", [], os.fchmod
    monkeypatch.setattr(os, "fchmod", lambda handle, mode: first.append(os.fstat(handle).st_mode) or fchmod(handle, mode))
    before = os.umask(umask)
    try:
        write_new_key(file)
    finally:
        os.umask(before)
    assert first[0] & 0o077 == 0  # not even for a moment
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    ring = load_keys(file)
    assert ring.ids == (1,) and ring.signing is ring.find(1) and ring.find(2) is None


def test_two_new_files_differ(tmp_path: Path) -> None:
    tags = set()
    for name in ("a", "b"):
        write_new_key(tmp_path / name)
        tags.add(load_keys(tmp_path / name).signing.tag([b"same"]))
    assert len(tags) == 2


def test_a_new_file_replaces_none_and_follows_no_link(tmp_path: Path) -> None:
    file = made(tmp_path / "keys.yaml", GOOD)
    with pytest.raises(ConfigError, match="exists already"):
        write_new_key(file)
    assert file.read_text() == GOOD
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="exists already"):
        write_new_key(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_the_tag_is_that_of_the_whole_however_it_is_cut(tmp_path: Path) -> None:
    key = load_keys(made(tmp_path / "k", GOOD)).signing
    body = secret(9) * 40
    assert key.tag([body[:7], memoryview(body)[7:900], bytearray(body[900:])]) == hashlib.blake2b(body, key=secret(1), digest_size=32).digest()


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666, 0o777])
def test_a_file_open_to_others_is_refused_also_behind_a_link(tmp_path: Path, mode: int) -> None:
    file = made(tmp_path / "keys.yaml", GOOD, mode)
    (tmp_path / "link").symlink_to(file)
    for path in (file, tmp_path / "link"):
        with pytest.raises(ConfigError, match=rf"{path}: mode {mode:04o}.*chmod 600"):
            load_keys(path)


def test_a_link_to_a_good_file_is_as_good(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(made(tmp_path / "keys.yaml", GOOD, 0o400))
    assert load_keys(tmp_path / "link").ids == (1,)


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = made(tmp_path / "keys.yaml", GOOD)
    owner = file.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:  # root's file is good for everyone who can read it
        assert load_keys(file).ids == (1,)
        os.chown(file, 4711, -1)
        owner = 4711
    with pytest.raises(ConfigError, match=rf"belongs to user {owner}.*chown"):
        load_keys(file)


def test_what_is_no_file_is_refused_and_nothing_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, finding in (("pipe", "not a regular file"), ("none", "No such file.*heron remote key new"), (".", "not a regular file")):
        with pytest.raises(ConfigError, match=finding):
            load_keys(tmp_path / name)


BAD = {
    "empty": ("", "one list named keys"),
    "no list": ("keys: 7", "one list named keys"),
    "other top key": (GOOD + "mode: open\n", "one list named keys"),
    "no keys": ("keys: []", "0 keys, expected 1 to 3"),
    "too many": (GOOD + "".join(f"- id: {n}\n  secret: {shown(secret(n))}\n" for n in (2, 3, 4)), "4 keys, expected 1 to 3"),
    "not a mapping": (f"keys: [{shown(secret(1))}]", r"keys\[0\]: not a mapping"),
    "unknown field": (GOOD + "  owner: me\n", r"keys\[0\]: has an unknown field"),
    "secret as field": (f"keys:\n- id: 1\n  {shown(secret(1))}: x\n", r"keys\[0\]: has an unknown field"),
    "no id": (f"keys:\n- secret: {shown(secret(1))}\n", r"keys\[0\]\.id: expected a whole number from 1 to 65535"),
    "id 0": (one(shown(secret(1)), 0), r"\.id: expected"),
    "id too large": (one(shown(secret(1)), 65536), r"\.id: expected"),
    "id true": (one(shown(secret(1)), "true"), r"\.id: expected"),
    "doubled id": (GOOD + f"- id: 1\n  secret: {shown(secret(2))}\n", "same id"),
    "doubled secret": (GOOD + f"- id: 2\n  secret: {shown(secret(1))}\n", "same secret"),
    "no secret": ("keys:\n- id: 1\n", "not the base64 of 32 bytes"),
    "31 bytes": (one(shown(secret(1)[:31])), "not the base64 of 32 bytes"),
    "33 bytes": (one(shown(secret(1) + b"x")), "not the base64 of 32 bytes"),
    "not base64": (one("'" + shown(secret(1))[:10] + "!" + shown(secret(1))[10:] + "'"), "not the base64 of 32 bytes"),
    "a number": (one("12345678901234567890"), "not the base64 of 32 bytes"),
    "zeros": (one(shown(bytes(32))), "weak"),
    "one value": (one(shown(b"\x9c" * 32)), "weak"),
    "15 values": (one(shown(bytes(range(100, 115)) * 2 + b"dd")), "weak"),
    "a pass phrase": (one(shown(b"correct horse battery staple 123")), "weak"),
    "no such day": (GOOD + "  not_after: 2027-13-41\n", "not valid yaml"),
    "a text as day": (GOOD + "  not_after: soon\n", r"\.not_after: expected a day"),
    "a moment": (GOOD + "  not_after: 2027-01-01 10:00:00\n", r"\.not_after: expected a day"),
    "expired": (GOOD + "  not_after: 2026-11-21\n", "signing key 1 expired after 2026-11-21.*key rotate"),
    "broken yaml": (f"keys:\n- id: 1\n  secret: {shown(secret(1))}\n  : [", "not valid yaml in line 4"),
    "unclosed quote": (f"keys:\n- id: 1\n  secret: '{shown(secret(1))}\n", "not valid yaml in line"),
    "python object": (f"keys: !!python/object/apply:os.system ['{shown(secret(1))}']", "not valid yaml in line 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_content_is_refused_by_file_and_finding_without_a_secret(tmp_path: Path, name: str) -> None:
    text, finding = BAD[name]
    file = made(tmp_path / "keys.yaml", text)
    with pytest.raises(ConfigError, match=finding) as caught:
        load_keys(file, DAY)
    told = "".join(traceback.format_exception(caught.value))
    assert str(caught.value).startswith(str(file))
    for seed in (1, 2):
        assert all(shown(secret(seed))[i : i + 6] not in told for i in range(38)) and repr(secret(seed))[2:12] not in told


def test_other_bytes_than_text_and_a_large_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    file.touch(0o600)
    file.write_bytes(b"\xff\xfe\x00keys")
    with pytest.raises(ConfigError, match="not valid yaml"):
        load_keys(file)
    file.write_text(GOOD + "#" * 70_000)
    with pytest.raises(ConfigError, match=r"70\d+ bytes, a key file has at most 65536"):
        load_keys(file)


def test_a_key_is_good_through_its_last_day_and_an_expired_older_one_is_left_out(tmp_path: Path) -> None:
    file = made(tmp_path / "k", GOOD + f"  not_after: {DAY}\n- id: 7\n  secret: {shown(secret(7))}\n  not_after: 2026-11-21\n")
    ring = load_keys(file, DAY)
    assert ring.ids == (1,) and ring.expired == (7,) and ring.find(7) is None
    assert load_keys(file, date(2026, 11, 21)).ids == (1, 7)


def test_nothing_shows_a_secret(tmp_path: Path) -> None:
    ring = load_keys(made(tmp_path / "k", GOOD))
    assert repr(ring) == "KeyRing(ids=(1,))" and repr(ring.signing) == "Key(id=1)"
    assert not hasattr(ring.signing, "__dict__")
    with pytest.raises(TypeError):
        pickle.dumps(ring)


def test_rotation_puts_a_new_key_in_front_and_keeps_two(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    write_new_key(file)
    old = load_keys(file).signing.tag([b"x"])
    assert rotate(file) == 2
    ring = load_keys(file)
    assert ring.ids == (2, 1)
    kept = ring.find(1)
    assert kept is not None and kept.tag([b"x"]) == old != ring.signing.tag([b"x"])
    assert [rotate(file), rotate(file)] == [3, 4]
    assert load_keys(file).ids == (4, 3, 2) and len(load_keys(file).ids) == MAX_KEYS
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert rotate(file, keep=0, not_after=DAY) == 5
    assert load_keys(file, DAY).ids == (5,)
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.yaml"]


def test_rotation_is_the_way_out_of_an_expired_key(tmp_path: Path) -> None:
    file = made(tmp_path / "k", GOOD + "  not_after: 2026-11-21\n")
    rotate(file, today=DAY)
    assert load_keys(file, DAY).ids == (2,)
    file = made(tmp_path / "m", GOOD + f"- id: 7\n  secret: {shown(secret(7))}\n  not_after: 2026-11-21\n- id: 4\n  secret: {shown(secret(4))}\n")
    rotate(file, today=DAY)
    assert load_keys(file, DAY).ids == (8, 1, 4) and load_keys(file, DAY).expired == ()


def test_ids_are_used_anew_when_they_run_out(tmp_path: Path) -> None:
    file = made(tmp_path / "k", one(shown(secret(1)), 65535, f"- id: 1\n  secret: {shown(secret(2))}\n"))
    assert rotate(file) == 2
    assert load_keys(file).ids == (2, 65535, 1)


def test_rotation_through_a_link_rewrites_the_file_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "keys.yaml"
    write_new_key(file)
    (tmp_path / "link").symlink_to(file)
    rotate(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and load_keys(file).ids == (2, 1)


@pytest.mark.parametrize("keep", [-1, 3])
def test_rotation_keeps_a_number_of_keys_that_there_can_be(tmp_path: Path, keep: int) -> None:
    file = made(tmp_path / "k", GOOD)
    with pytest.raises(ConfigError, match=f"keep is {keep}, allowed are 0 to 2"):
        rotate(file, keep=keep)
    assert file.read_text() == GOOD


def test_rotation_of_a_file_that_others_could_change_is_refused(tmp_path: Path) -> None:
    file = made(tmp_path / "k", GOOD, 0o660)
    with pytest.raises(ConfigError, match="mode 0660"):
        rotate(file)
    assert file.read_text() == GOOD


def test_a_rotation_that_was_cut_off_is_told_and_leaves_the_keys(tmp_path: Path) -> None:
    file = made(tmp_path / "k", GOOD)
    (tmp_path / ".k.new").touch()
    with pytest.raises(ConfigError, match=r"\.k\.new: exists already"):
        rotate(file)
    assert file.read_text() == GOOD
