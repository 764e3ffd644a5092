"""One bus of this process on python-can's virtual bus; trouble comes from small fakes."""

import threading
import time

import can
import pytest

from heron_can.buses import open_bus
from heron_can.frame import Frame
from heron_can.io import CanIo
from heron_can.mapping import BusConfig
from heron_core.canbus import FLAG_ERROR, FLAG_EXTENDED, FLAG_TX
from heron_core.errors import HeronError, InputError

pytestmark = pytest.mark.alone

WAIT_S = 5.0


def _until(condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.005)


def _drained(io, n):
    found = []
    _until(lambda: found.extend(io.drain()) or len(found) >= n)
    return found


@pytest.fixture
def config(request):
    return BusConfig(interface="virtual", channel=request.node.name)


@pytest.fixture
def peer(config):
    bus = can.Bus(interface="virtual", channel=config.channel)
    yield bus
    bus.shutdown()


@pytest.fixture
def io(config):
    made = CanIo("vehicle", config, wanted=[(0x100, False), (0x1ABCDEF, True)])
    yield made
    made.close()


def test_receives_wanted_ids_only(io, peer):
    for id_, extended in ((0x100, False), (0x101, False), (0x1ABCDEF, True)):
        peer.send(can.Message(arbitration_id=id_, is_extended_id=extended, data=b"\x01\x02"))
    frames = _drained(io, 2)
    assert [(frame.id, frame.data, frame.flags) for frame in frames] == [(0x100, b"\x01\x02", 0), (0x1ABCDEF, b"\x01\x02", FLAG_EXTENDED)]
    assert abs(frames[0].stamp_ns - time.time_ns()) < 10**9
    assert io.counts["rx"] == 2


def test_tap_sees_everything_received_and_sent_while_watched(io, peer):
    assert io.tap() is None
    io.watch(True)
    peer.send(can.Message(arbitration_id=0x555, is_extended_id=False, data=b"\x07"))
    _until(lambda: io.counts["rx"] == 1)
    assert io.send(Frame(time.time_ns(), 0x2E0, b"abc"))
    assert peer.recv(WAIT_S).arbitration_id == 0x2E0
    batch = io.tap()
    assert (batch.channel, batch.ids.tolist(), batch.flags.tolist(), batch.payloads()) == ("vehicle", [0x555, 0x2E0], [0, FLAG_TX], [b"\x07", b"abc"])
    assert not batch.data.flags.writeable
    assert [frame.id for frame in io.drain()] == [0x555]
    io.watch(False)
    peer.send(can.Message(arbitration_id=0x555, is_extended_id=False))
    peer.send(can.Message(arbitration_id=0x100, is_extended_id=False))
    assert [frame.id for frame in _drained(io, 1)] == [0x100]
    assert io.tap() is None


def test_slow_reader_loses_the_oldest_and_it_is_counted(config, peer):
    io = CanIo("vehicle", config, queue_frames=10)
    for n in range(30):
        peer.send(can.Message(arbitration_id=n, is_extended_id=False))
    _until(lambda: io.counts["rx"] == 30)
    io.close()
    assert [frame.id for frame in io.drain()] == list(range(20, 30))
    assert io.counts["rx_dropped"] == 20


def test_listen_only_writes_nothing(config, peer):
    io = CanIo("vehicle", config.on("vehicle", "", True))
    io.watch(True)
    assert io.send(Frame(1, 0x2E0, b"abc"))
    assert peer.recv(0.2) is None
    assert io.tap().ids.tolist() == [0x2E0]
    io.close()


def test_replayed_bus_holds_back_the_future_and_what_was_sent():
    io = CanIo("vehicle", BusConfig(interface="bag"))
    io.push([Frame(10, 1, b""), Frame(20, 2, b"", FLAG_TX), Frame(30, 3, b"")])
    assert [frame.id for frame in io.drain(20)] == [1]
    assert [frame.id for frame in io.drain(30)] == [3]
    assert io.up and io.counts["rx"] == 2


def test_digest_is_of_stamps_and_payloads():
    digests = set()
    for stamp, data in ((1, b"a"), (1, b"a"), (2, b"a"), (1, b"b")):
        io = CanIo("vehicle", BusConfig(interface="bag"))
        io.send(Frame(stamp, 1, data))
        digests.add(io.tx_sha256())
    assert len(digests) == 3


def test_shared_is_one_bus_until_the_last_user_leaves(config, peer):
    first, second = CanIo.shared("vehicle", config, [(1, False)]), CanIo.shared("vehicle", config, [(2, False)])
    assert first is second
    with pytest.raises(HeronError, match="one configuration per bus"):
        CanIo.shared("vehicle", BusConfig(interface="virtual", channel="another"))
    first.release()
    peer.send(can.Message(arbitration_id=2, is_extended_id=False))
    assert len(_drained(second, 1)) == 1
    second.release()
    assert not second.up
    again = CanIo.shared("vehicle", BusConfig(interface="bag"))
    assert again is not first
    again.release()


class _Controller(can.BusABC):
    """A bus whose trouble is scripted: what `script` holds is received, exceptions are raised; then it is silent."""

    def __init__(self, script):
        self.channel_info = "scripted"
        self.script, self.sent, self.down = list(script), [], False
        super().__init__(channel="scripted")

    def _recv_internal(self, timeout):
        if self.script:
            item = self.script.pop(0)
            if isinstance(item, Exception):
                raise item
            return item, False
        threading.Event().wait(min(timeout, 0.01))
        return None, False

    def send(self, msg, timeout=None):
        if self.down:
            raise can.CanOperationError("Transmit buffer full")
        self.sent.append(msg)


def _message(id_, error=False):
    return can.Message(arbitration_id=id_, is_extended_id=False, is_error_frame=error, timestamp=1.0)


@pytest.mark.parametrize("trouble", [_message(0x40, error=True), can.CanOperationError("Network is down"), OSError(19, "No such device")])
def test_bus_off_is_seen_counted_and_recovered_from(trouble):
    attempts = [
        _Controller([_message(0x100), trouble]), InputError("still off"), InputError("still off"), _Controller([_message(0x101)]),
    ]  # fmt: skip

    def opener():
        item = attempts.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    io = CanIo("vehicle", BusConfig(interface="socketcan", channel="can0"), opener=opener)
    assert [frame.id for frame in _drained(io, 1) if not frame.flags & FLAG_ERROR] == [0x100]
    _until(lambda: io.counts["reopened"] == 1)
    assert [frame.id for frame in _drained(io, 1)][-1] == 0x101
    assert io.counts["bus_off_error"] == 1 and io.up
    off, back = io.events()
    assert "bus vehicle is off" in off and "bus vehicle is back" in back
    assert io.send(Frame(1, 0x2E0, b"x"))
    io.close()


def test_sending_while_off_fails_quietly_and_is_counted():
    def opener():
        if opened:
            raise InputError("off")
        opened.append(_Controller([_message(0x40, error=True)]))
        return opened[0]

    opened = []
    io = CanIo("vehicle", BusConfig(interface="socketcan", channel="can0"), opener=opener)
    _until(lambda: not io.up)
    assert not io.send(Frame(1, 0x2E0, b"x"))
    assert (io.counts["tx"], io.counts["tx_failed"]) == (0, 1)
    io.close()


def test_error_frames_short_of_bus_off_are_counted_only():
    io = CanIo("vehicle", BusConfig(interface="socketcan", channel="can0"), opener=lambda: _Controller([_message(0x04, error=True), _message(0x100)]))
    _until(lambda: io.counts["rx"] == 2)
    assert io.counts["error_frames"] == 1 and io.counts["bus_off_error"] == 0
    io.close()


def test_full_transmit_buffer_is_no_bus_off():
    controller = _Controller([])
    controller.down = True
    io = CanIo("vehicle", BusConfig(interface="socketcan", channel="can0"), opener=lambda: controller)
    assert not io.send(Frame(1, 0x2E0, b"x"))
    assert io.up and io.counts["tx_failed"] == 1 and io.counts["bus_off_error"] == 0
    io.close()


def test_an_interface_that_does_not_exist_says_how_to_bring_it_up():
    with pytest.raises(InputError, match=r"bus vehicle: cannot open socketcan channel 'can77'.*ip link set can77 up type can bitrate 500000"):
        open_bus("vehicle", BusConfig(interface="socketcan", channel="can77"))


def test_whatever_a_backend_raises_the_bus_is_lost_said_and_opened_again():
    class Odd(can.BusABC):
        """Raises what python-can never promised to raise, then works."""

        opened = 0

        def __init__(self, channel):
            super().__init__(channel=channel)
            Odd.opened += 1
            self.broken = Odd.opened == 1

        def recv(self, timeout=None):
            if self.broken:
                raise KeyError("driver")
            time.sleep(0.01)
            return None

        def send(self, message, timeout=None):
            pass

        def shutdown(self):
            super().shutdown()
            if self.broken:
                raise RuntimeError("already gone")

    io = CanIo("test", BusConfig(interface="virtual", channel="x"), opener=lambda: Odd("x"))
    try:
        _until(lambda: io.counts["reopened"] == 1)
    finally:
        io.close()
    assert io.events() == ["bus test is off: KeyError: 'driver'", "bus test does not close: RuntimeError: already gone", "bus test is back"]


def test_a_simulated_car_gets_what_is_sent_and_nobody_else_does() -> None:
    heard: list[Frame] = []
    for config, wanted in ((BusConfig(interface="sim"), 1), (BusConfig(interface="sim", listen_only=True), 0), (BusConfig(interface="bag"), 0)):
        io = CanIo("vehicle", config)
        io.listen(heard.append)
        heard.clear()
        assert io.up and io.send(Frame(5, 0x2E0, b"12345678"))
        assert len(heard) == wanted and io.counts["tx"] == 1
        io.push([Frame(7, 0x1A0, b"1"), Frame(17, 0x1A0, b"2")])
        assert [frame.data for frame in io.drain(10)] == [b"1"]
        io.listen(None)
        assert io.send(Frame(6, 0x2E0, b"12345678")) and len(heard) == wanted
        io.close()
