"""The car's steering and brakes: what they follow, when they let go, and that nobody grabs them in the middle of a request."""

from dataclasses import replace

import pytest

from heron_can.car import load_car
from heron_can.command_ecu import TIMEOUT_NS, CommandEcu, Followed
from heron_can.encode import Command, CommandEncoder
from heron_can.frame import Frame
from heron_core.canbus import FLAG_ERROR
from heron_core.errors import ConfigError

MS = 1_000_000
T0 = 1_700_000_000_000 * MS
OFF, ON = Command(0.0, 0.0, False, False), Command(0.1, -1.0, True, True)
FREE = Followed(None, None, False)


class Wire:
    """A sender at 100 Hz and the car that hears it."""

    def __init__(self, demo):
        self.encoder, self.ecu, self.now_ns = CommandEncoder(demo), CommandEcu(demo), T0

    def send(self, *commands, period_ms=10.0, spoil=lambda data: data):
        """Each command after a period; returns what the steering made of the frames."""
        found = []
        for command in commands:
            self.now_ns += round(period_ms * MS)
            for sent in self.encoder.encode(command, self.now_ns):
                verdict = self.ecu.receive(sent.bus, sent.frame._replace(data=spoil(sent.frame.data)))
                found += [verdict] if sent.name == "steer" else []
        return found

    def wait(self, ms):
        self.now_ns += round(ms * MS)

    def followed(self):
        return self.ecu.command(self.now_ns)

    def reasons(self):
        return [release.reason for release in self.ecu.releases if release.unit == "steer"]


@pytest.fixture
def wire(demo):
    return Wire(demo)


@pytest.fixture
def driven(wire):
    """Followed since half a second."""
    wire.send(OFF, *[ON] * 50)
    assert wire.followed().steer_rad is not None
    return wire


def test_it_follows_a_request_that_began_with_none(wire):
    assert wire.send(*[ON] * 5) == ["ignored"] * 5 and wire.followed() == FREE
    assert wire.send(OFF, ON, ON) == ["off", "followed", "followed"]
    followed = wire.followed()
    assert followed.steer_rad == pytest.approx(0.1, abs=2e-5) and followed.accel_mps2 == pytest.approx(-1.0) and not followed.hold
    wire.send(replace(ON, standstill=True))
    assert wire.followed().hold


def test_steering_and_brakes_are_followed_apart(wire):
    wire.send(OFF, *[replace(ON, accel_request=False)] * 3)
    followed = wire.followed()
    assert followed.steer_rad is not None and followed.accel_mps2 is None


def test_an_ended_request_may_begin_again(driven):
    driven.send(OFF)
    assert driven.followed() == FREE and driven.reasons() == ["request"]
    assert driven.send(ON) == ["followed"]


def test_silence_releases_after_the_timeout_and_for_good(driven):
    last_ns = driven.now_ns
    driven.wait(50)
    assert driven.followed() != FREE
    driven.wait(0.1)
    assert driven.followed() == FREE and driven.reasons() == ["timeout"]
    assert {(release.at_ns - release.last_ns, release.last_ns) for release in driven.ecu.releases} == {(TIMEOUT_NS, last_ns)}
    assert set(driven.send(*[ON] * 200)) == {"ignored"} and driven.followed() == FREE
    driven.send(OFF, ON)
    assert driven.followed() != FREE


def test_silence_is_seen_too_when_frames_come_again_before_anybody_looks(driven):
    driven.wait(60)
    assert driven.send(ON) == ["ignored"] and driven.reasons() == ["timeout"]


def test_silence_before_a_request_counts_as_well(wire):
    wire.send(OFF)
    wire.wait(60)
    assert wire.send(ON) == ["ignored"]


def test_the_backlog_of_a_stopped_process_is_not_followed(driven):
    """SIGSTOP and SIGCONT: a second of ticks at once, all requesting, and even one between them that does not."""
    driven.wait(1000)
    verdicts = driven.send(*[ON] * 10, OFF, *[ON] * 89, period_ms=0.05)
    assert verdicts[:10] == ["ignored"] * 10 and verdicts[-60:] == ["rate"] * 60
    assert driven.followed() == FREE
    assert "rate" in driven.send(*[ON] * 30) and set(driven.send(*[ON] * 30)) == {"ignored"}


def test_a_burst_in_the_middle_releases(driven):
    driven.send(*[ON] * 40, period_ms=0.05)
    assert driven.followed() == FREE and driven.reasons() == ["rate"]


def test_a_rate_a_fifth_above_nominal_is_followed(driven):
    assert set(driven.send(*[ON] * 200, period_ms=10 / 1.2)) == {"followed"}


def test_one_damaged_frame_is_passed_over_and_five_release(driven):
    def damage(data):
        return bytes((data[0] ^ 1, *data[1:]))

    assert driven.send(ON, spoil=damage) == ["checksum_error"] and driven.followed() != FREE
    driven.send(*[ON] * 5)
    driven.send(*[ON] * 4, spoil=damage)
    assert driven.followed() != FREE
    driven.send(ON, spoil=damage)
    assert driven.followed() == FREE and driven.reasons() == ["checksum"]
    assert driven.ecu.counts["checksum_error steer"] == 6


def test_damage_between_right_frames_releases_by_count(driven):
    for _ in range(12):
        driven.send(ON, ON, spoil=lambda data: bytes(reversed(data)))
        driven.send(ON)
    assert driven.reasons() == ["checksum"]


def test_a_short_frame_is_as_a_damaged_one(driven):
    assert driven.send(*[ON] * 5, spoil=lambda data: data[:7]) == ["length_error"] * 5
    assert driven.followed() == FREE


def test_a_repeated_frame_is_old_and_does_not_hold_the_car(driven, demo):
    (steer, _) = driven.encoder.encode(ON, driven.now_ns)
    verdicts = []
    for _ in range(7):
        driven.wait(10)
        verdicts.append(driven.ecu.receive("vehicle", steer.frame._replace(stamp_ns=driven.now_ns)))
    assert verdicts[:2] == ["followed", "counter_error_repeated"] and driven.followed().steer_rad is None


def test_counters_of_two_senders_release(driven, demo):
    other = CommandEncoder(demo)
    for _ in range(20):
        driven.send(ON)
        for sent in other.encode(ON, driven.now_ns):
            driven.ecu.receive(sent.bus, sent.frame)
    assert driven.followed() == FREE and driven.reasons() == ["counter"]


def test_a_lost_frame_is_no_reason(driven):
    driven.encoder.encode(ON, 0)
    assert driven.send(*[ON] * 3) == ["followed"] * 3 and driven.ecu.counts["counter_error_skipped steer"] == 1


def test_what_is_no_command_is_none_of_its_business(driven):
    (sent, _) = driven.encoder.encode(ON, driven.now_ns)
    assert driven.ecu.receive("vehicle", Frame(driven.now_ns, 0x123, b"12345678")) is None
    assert driven.ecu.receive("other", sent.frame) is None
    assert driven.ecu.receive("vehicle", sent.frame._replace(flags=FLAG_ERROR)) is None


def test_a_message_without_cycle_time_is_refused(demo, tmp_path):
    for path in demo.files:
        text = path.read_text().replace('BA_ "GenMsgCycleTime" BO_ 736 10;\n', "")
        (tmp_path / path.name).write_text(text)
    with pytest.raises(ConfigError, match="STEER_CMD of bus vehicle has no GenMsgCycleTime"):
        CommandEcu(load_car(tmp_path))
