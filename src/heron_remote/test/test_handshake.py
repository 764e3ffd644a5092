"""Who is taken for whom: restarts, replays, order, age, several vehicles, several servers, two keys."""

from __future__ import annotations

import pytest
from two_ends import OTHER, OURS, Table, refusal, ring

from heron_core.clock import Instant
from heron_core.errors import ConfigError
from heron_remote.envelope import NO_ONE, Direction, EnvelopeError, Kind, Sealer
from heron_remote.handshake import HandshakeConfig
from heron_remote.server_end import ServerEnd
from heron_remote.vehicle_end import VehicleEnd


@pytest.fixture
def table() -> Table:
    return Table()


def replayed(table: Table, recorded: list[tuple[bool, bytes]]) -> list[str]:
    """Why each of the recorded messages is refused, "" where it is taken."""
    return [refusal((table.server if to_server else table.vehicle).accept, data, table.at) for to_server, data in recorded]


def test_one_round_trip_connects_and_both_talk(table: Table) -> None:
    assert not table.vehicle.connected and table.server.vehicles == ()
    opened = table.vehicle.accept(table.welcome(table.hello()), table.at)
    assert table.vehicle.connected and opened.body == b"offer" and table.server.vehicles == ()
    request = table.ask(b"images")
    assert table.server.vehicles == (request.sender,) and request.body == b"images"
    assert table.answer(request).body == b"answer"
    assert table.vehicle.counts["accepted"] == 2 and table.server.counts["accepted"] == 2
    assert sum(table.vehicle.counts.values()) == 2 == sum(table.server.counts.values())


def test_hello_is_said_at_its_period_until_answered_and_again_after_silence(table: Table) -> None:
    said = []
    for _ in range(20):
        table.wait(0.01)
        said.append(table.vehicle.hello(table.at) is not None)
    assert [i for i, due in enumerate(said) if due] == [0, 5, 10, 15]
    table.connect()
    table.vehicle.accept(table.server.seal(Kind.PONG, table.server.vehicles[0], table.at), table.at)
    quiet = table.at
    while table.vehicle.hello(table.at) is None:
        table.wait(0.01)
    assert table.at.steady_ns - quiet.steady_ns == 150_000_000
    assert table.vehicle.connected  # a cut is no restart: requests may go on
    table.talk()
    assert table.vehicle.hello(table.at) is None


def test_nothing_is_sealed_before_a_server_has_answered(table: Table) -> None:
    with pytest.raises(RuntimeError, match="connected"):
        table.vehicle.seal(Kind.REQUEST, table.at)
    with pytest.raises(KeyError):
        table.server.seal(Kind.ANSWER, b"nobody!!", table.at)


def test_a_clock_that_steps_back_makes_nobody_mute(table: Table) -> None:
    table.connect()
    table.at = Instant(table.at.now_ns, table.at.steady_ns - 4_000_000_000)
    assert table.vehicle.hello(table.at) is not None


def test_the_wrong_policy_is_told_and_not_taken(table: Table) -> None:
    table.server.offer(OTHER)
    assert refusal(table.vehicle.accept, table.welcome(table.hello()), table.at) == "policy"
    assert not table.vehicle.connected and table.vehicle.offered == OTHER and table.vehicle.heard_ns is None
    table.vehicle.want(OTHER)
    table.connect()
    table.talk()


def test_a_server_that_changed_its_policy_is_left(table: Table) -> None:
    table.connect()
    nonce = table.server.vehicles[0]
    table.server.offer(OTHER)
    late = table.server.seal(Kind.ANSWER, nonce, table.at, b"of the other policy")
    first = table.hello()
    old = table.server.welcome(table.server.accept(first, table.at), table.at)
    assert refusal(table.vehicle.accept, old, table.at) == "policy"
    assert not table.vehicle.connected and refusal(table.vehicle.accept, late, table.at) == "stranger"
    assert refusal(table.vehicle.accept, old, table.at) == "old"
    table.server.offer(OURS)
    table.connect()
    assert table.vehicle.counts["restarts"] == 0
    assert refusal(table.vehicle.accept, old, table.at) == "old" and table.vehicle.connected
    table.talk()


def test_wanting_another_policy_drops_the_server_at_once(table: Table) -> None:
    hello = table.hello()
    table.vehicle.want(OTHER)
    assert refusal(table.vehicle.accept, table.welcome(hello), table.at) == "old"
    assert table.vehicle.hello(table.at) is not None
    table = Table()
    table.connect()
    table.vehicle.want(OTHER)
    assert not table.vehicle.connected
    assert refusal(table.vehicle.accept, table.server.seal(Kind.ANSWER, table.server.vehicles[0], table.at), table.at) == "stranger"


@pytest.mark.parametrize("digest", ["", "a1" * 31, "a1" * 33])
def test_a_digest_of_another_length_is_refused(table: Table, digest: str) -> None:
    for take in (table.vehicle.want, table.server.offer):
        with pytest.raises(ValueError, match="64 hexadecimal digits"):
            take(digest)


def test_a_recording_changes_nothing_and_nothing_of_it_is_taken(table: Table) -> None:
    table.connect()
    for _ in range(3):
        table.talk()
    before = table.state()
    assert set(replayed(table, table.recorded)) == {"old"}
    assert table.state() == before
    table.talk()


def test_a_message_sent_twice_is_taken_once(table: Table) -> None:
    table.connect()
    sealed = table.vehicle.seal(Kind.REQUEST, table.at)
    assert [refusal(table.server.accept, sealed, table.at) for _ in range(3)] == ["", "old", "old"]


def test_newest_only_within_a_kind_and_never_across(table: Table) -> None:
    table.connect()
    first, second, ping = (table.vehicle.seal(kind, table.at) for kind in (Kind.REQUEST, Kind.REQUEST, Kind.PING))
    assert [refusal(table.server.accept, data, table.at) for data in (ping, second, first)] == ["", "", "old"]
    nonce = table.server.vehicles[0]
    first, second, pong = (table.server.seal(kind, nonce, table.at) for kind in (Kind.ANSWER, Kind.ANSWER, Kind.PONG))
    assert [refusal(table.vehicle.accept, data, table.at) for data in (pong, second, first)] == ["", "", "old"]


def test_a_server_that_restarted_is_taken_anew_and_its_past_is_refused(table: Table) -> None:
    table.connect()
    for _ in range(5):
        table.talk()
    past = list(table.recorded)
    table.restart_server()
    unknown = table.vehicle.seal(Kind.REQUEST, table.at)
    assert refusal(table.server.accept, unknown, table.at) == "stranger"
    before = table.state()
    told = replayed(table, past)
    assert told[0] == "" and "" not in told[1:]  # the HELLO is answered, …
    stray = table.server.welcome(table.server.accept(past[0][1], table.at), table.at)
    assert refusal(table.vehicle.accept, stray, table.at) == "old"  # … and the answer taken by nobody
    assert table.state() == before
    table.connect()
    assert table.vehicle.counts["restarts"] == 1
    table.talk()
    settled = table.state()
    assert "" not in replayed(table, past)
    assert table.state() == settled
    table.talk()


def test_a_vehicle_that_restarted_is_taken_anew_and_its_past_is_refused(table: Table) -> None:
    table.connect()
    table.talk()
    past = list(table.recorded)
    table.restart_vehicle()
    table.connect()
    assert len(table.server.vehicles) == 2
    settled = table.state()
    assert set(replayed(table, past)) == {"old", "stranger"}
    assert table.state() == settled
    table.talk()


def test_a_welcome_answers_a_hello_that_was_said_lately_and_no_newer_one_was_answered(table: Table) -> None:
    first, second = table.hello(), table.hello()
    late, newest = table.welcome(first), table.welcome(second)
    table.vehicle.accept(newest, table.at)
    assert refusal(table.vehicle.accept, late, table.at) == "old"
    table = Table()
    late = table.welcome(table.hello())
    table.wait(1.0)
    assert refusal(table.vehicle.accept, late, table.at) == "old"
    late = table.welcome(table.hello())
    table.wait(0.99)
    table.vehicle.accept(late, table.at)  # a round trip longer than the period of HELLO still connects


def test_of_two_servers_the_first_to_answer_is_kept_and_neither_past_comes_back(table: Table) -> None:
    near, far = table.server, ServerEnd(ring(1), table.nonce, OURS)
    table.connect()
    table.talk()
    past = list(table.recorded)
    table.wait(0.2)
    hello = table.hello()
    table.server = far
    table.vehicle.accept(table.welcome(hello), table.at)
    assert refusal(table.vehicle.accept, near.welcome(near.accept(hello, table.at), table.at), table.at) == "old"
    table.talk()
    assert "" not in replayed(table, [one for one in past if not one[0]])
    table.server = near
    table.connect()  # back to the first, in the life that was recorded
    assert "" not in replayed(table, past)
    table.talk()
    assert table.vehicle.counts["restarts"] == 2


def test_a_wrong_server_does_not_keep_the_right_one_away(table: Table) -> None:
    hello = table.hello()
    wrong = ServerEnd(ring(1), table.nonce, OTHER)
    assert refusal(table.vehicle.accept, wrong.welcome(wrong.accept(hello, table.at), table.at), table.at) == "policy"
    table.vehicle.accept(table.welcome(hello), table.at)
    hello = table.hello()
    assert refusal(table.vehicle.accept, wrong.welcome(wrong.accept(hello, table.at), table.at), table.at) == "policy"
    assert table.vehicle.connected
    table.talk()


def test_a_fifth_vehicle_makes_the_most_silent_one_a_stranger_for_good(table: Table) -> None:
    pasts, ends = [], []
    for _ in range(4):
        table.recorded = []
        table.restart_vehicle()
        table.connect()
        table.talk()
        pasts.append(table.recorded)
        ends.append(table.vehicle)
    first = ends[0]
    table.wait(0.1)
    table.server.accept(first.seal(Kind.PING, table.at), table.at)  # so the second is the most silent
    table.restart_vehicle()
    table.connect()
    table.talk()
    assert len(table.server.vehicles) == 4 and table.server.counts["forgotten"] == 1
    before = table.state()
    for past in pasts:
        assert "" not in [refusal(table.server.accept, data, table.at) for to_server, data in past[1:] if to_server]
    assert table.state() == before
    assert refusal(table.server.accept, ends[1].seal(Kind.PING, table.at), table.at) == "stranger"
    for end in (ends[0], ends[2], ends[3], table.vehicle):
        table.server.accept(end.seal(Kind.PING, table.at), table.at)
    table.vehicle = ends[3]
    table.connect()  # the others go on under the nonce that they know
    assert table.vehicle.counts["restarts"] == 0
    table.vehicle = ends[1]
    table.connect()  # the forgotten one comes back by a HELLO of its own
    table.talk()
    assert table.server.counts["forgotten"] == 2


def test_hello_alone_makes_nobody_known_and_an_old_one_is_not_answered(table: Table) -> None:
    hellos = [table.hello() for _ in range(3)]
    for hello in (*hellos, *hellos):
        table.server.accept(hello, table.at)
    assert table.server.vehicles == ()
    table.connect()
    assert [refusal(table.server.accept, hello, table.at) for hello in hellos] == ["old"] * 3


def test_hello_to_someone_and_others_to_no_one_are_refused(table: Table) -> None:
    table.connect()
    sealer = Sealer(ring(1).signing, Direction.TO_SERVER, b"unheard!")
    assert refusal(table.server.accept, sealer.seal(Kind.HELLO, b"someone!", 0), table.at) == "stranger"
    for kind in (Kind.PING, Kind.REQUEST):
        assert refusal(table.server.accept, sealer.seal(kind, NO_ONE, 0), table.at) == "stranger"
    back = Sealer(ring(1).signing, Direction.TO_VEHICLE, b"unheard!")
    for kind in (Kind.WELCOME, Kind.ANSWER):
        assert refusal(table.vehicle.accept, back.seal(kind, NO_ONE, 0, bytes(40)), table.at) == "stranger"
    assert refusal(table.vehicle.accept, back.seal(Kind.ANSWER, table.server.vehicles[0], 0), table.at) == "stranger"
    assert refusal(table.vehicle.accept, back.seal(Kind.WELCOME, table.server.vehicles[0], 0, bytes(39)), table.at) == "short"


@pytest.mark.parametrize(("age_s", "reason"), [(0.0, ""), (0.99, ""), (1.01, "stale"), (-0.09, ""), (-0.11, "stale")])
@pytest.mark.parametrize("offset_ns", [0, 7_000_000_000_000, -3_600_000_000_000])
def test_the_age_window_is_that_of_the_known_clocks(table: Table, age_s: float, reason: str, offset_ns: int) -> None:
    table.connect()
    nonce = table.server.vehicles[0]
    stamp = Instant(table.at.now_ns - round(age_s * 1e9) + offset_ns, 0)
    request, answer = table.vehicle.seal(Kind.REQUEST, stamp), table.server.seal(Kind.ANSWER, nonce, stamp)
    before = table.state()
    assert refusal(table.server.accept, request, table.at, {nonce: offset_ns}) == reason
    assert refusal(table.vehicle.accept, answer, table.at, offset_ns) == reason
    assert (table.state() == before) is bool(reason)


def test_without_known_clocks_nothing_is_stale_and_pings_never_are(table: Table) -> None:
    table.connect()
    nonce = table.server.vehicles[0]
    long_ago = Instant(0, 0)
    table.server.accept(table.vehicle.seal(Kind.REQUEST, long_ago), table.at, {b"somebody": 0})
    table.vehicle.accept(table.server.seal(Kind.ANSWER, nonce, long_ago), table.at)
    table.server.accept(table.vehicle.seal(Kind.PING, long_ago), table.at, {nonce: 0})
    table.vehicle.accept(table.server.seal(Kind.PONG, nonce, long_ago), table.at, 0)


def test_a_rotation_from_the_server_on_has_no_gap() -> None:
    table = Table(vehicle_keys=ring(1), server_keys=ring(2, 1))
    table.connect()
    table.talk()  # the server answers with the vehicle's key
    table.vehicle = VehicleEnd(ring(2, 1), table.nonce(), OURS)
    table.connect()
    table.talk()
    assert table.vehicle.accept(table.server.seal(Kind.PONG, table.server.vehicles[1], table.at), table.at).key_id == 2
    table = Table(vehicle_keys=ring(2, 1), server_keys=ring(1))
    assert refusal(table.server.accept, table.hello(), table.at) == "key"


def test_a_vehicle_that_changes_its_key_in_one_life_is_answered_with_it() -> None:
    table = Table(server_keys=ring(2, 1), vehicle_keys=ring(1, 2))
    table.connect()
    nonce = table.server.vehicles[0]
    own = table.server.welcome(table.server.accept(table.hello(), table.at), table.at)
    server_nonce = table.vehicle.accept(own, table.at).sender
    newer = Sealer(ring(2).signing, Direction.TO_SERVER, nonce, iter((1000,)))
    table.server.accept(newer.seal(Kind.PING, server_nonce, 0), table.at)
    opened = table.vehicle.accept(table.server.seal(Kind.PONG, nonce, table.at), table.at)
    assert (opened.key_id, opened.sender) == (2, server_nonce)


def test_refusals_are_counted_by_reason(table: Table) -> None:
    table.connect()
    for data in (b"", bytes(100), bytes(100), table.recorded[-1][1]):
        with pytest.raises(EnvelopeError):
            table.server.accept(data, table.at)
    assert {name: count for name, count in table.server.counts.items() if count} == {"accepted": 2, "short": 1, "magic": 2, "old": 1}


@pytest.mark.parametrize("wrong", [{"hello_s": 0.0}, {"silence_s": float("nan")}, {"welcome_s": 61.0}, {"max_age_s": -1.0}, {"vehicles": 0}])
def test_a_wait_that_leaves_an_end_deaf_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        HandshakeConfig(**wrong)  # type: ignore[arg-type]
