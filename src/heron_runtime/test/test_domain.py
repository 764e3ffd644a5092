"""Each run gets a DDS domain of its own."""

import pytest

from heron_core.errors import HeronError
from heron_runtime import domain
from heron_runtime.domain import own_domain


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))


def test_two_runs_have_two_domains_and_give_them_back(monkeypatch):
    monkeypatch.setattr(domain, "OWN_DOMAINS", range(1, 3))
    for _ in range(5):
        with own_domain({}) as first, own_domain({}) as second:
            assert {first, second} == {1, 2}


def test_a_chosen_domain_is_kept():
    with own_domain({"ROS_DOMAIN_ID": "42"}) as one, own_domain({"ROS_DOMAIN_ID": "42"}) as other:
        assert (one, other) == (42, 42)


def test_none_left_is_said(monkeypatch):
    monkeypatch.setattr(domain, "OWN_DOMAINS", range(1, 2))
    with own_domain({}), pytest.raises(HeronError, match="every DDS domain from 1 to 1 has a run"), own_domain({}):
        pass
