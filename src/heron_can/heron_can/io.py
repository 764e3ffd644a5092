"""One CAN bus of this process: frames in and out, what others may tap, and recovery when the bus goes off."""

from __future__ import annotations

import hashlib
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

from heron_can.buses import ERROR_BUS_OFF, filters, open_bus, to_frame, to_message
from heron_can.frame import Frame, to_batch
from heron_can.mapping import BusConfig
from heron_core.canbus import FLAG_ERROR, FLAG_TX, CanBatch
from heron_core.errors import HeronError

if TYPE_CHECKING:
    import can

NO_WIRE = ("bag", "log", "sim")
_RECEIVE_TIMEOUT_S = 0.1
_PAUSE_S = 0.005  # between bursts: waking up once per frame costs more than the frame; the stamp tells when it came
_BACKOFF_S = (0.05, 2.0)  # first and longest wait before a lost bus is opened again
_TX_DIGEST = struct.Struct("<qIBB")
Opener = Callable[[], "can.BusABC"]


class _BusLostError(Exception):
    """The bus went off or its interface went away."""


class CanIo:
    """A bus with a receive thread; on the interfaces of `NO_WIRE` a bus without wire, fed by `push`, whose sent frames end in the tap.

    On `sim` they also go to the simulated car of this process, see `listen`.

    Attributes:
        name: of the bus in can.yaml.
        counts: rx, tx, rx_dropped (the reader was too slow), tap_dropped, tx_failed, error_frames, bus_off_error, reopened. `tx` counts frames
            sent, or meant to be sent on a bus that is listened to only.
    """

    _shared: ClassVar[dict[str, tuple[CanIo, int]]] = {}
    _shared_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self, name: str, config: BusConfig, wanted: Iterable[tuple[int, bool]] = (), queue_frames: int = 8192, opener: Opener | None = None
    ) -> None:
        """Opens the bus.

        Args:
            name: of the bus in can.yaml.
            config: of the bus.
            wanted: (id, extended) that are received; nothing given: all.
            queue_frames: received frames that wait for `drain`; the oldest are dropped and counted.
            opener: opens the python-can bus; for tests.

        Raises:
            InputError: the bus cannot be opened.
        """
        self.name = name
        self.config = config
        self.counts: Counter[str] = Counter({"rx": 0, "tx": 0, "rx_dropped": 0})
        self._queue: deque[Frame] = deque()
        self._limit = queue_frames
        self._tap: list[Frame] | None = None
        self._events: deque[str] = deque(maxlen=100)
        self._lock = threading.Lock()
        self._wanted = tuple(wanted)
        self._everything = not self._wanted
        self._tx_digest = hashlib.sha256()
        self._stop = threading.Event()
        self._bus: can.BusABC | None = None
        self._car: Callable[[Frame], object] | None = None
        self._thread: threading.Thread | None = None
        if config.interface not in NO_WIRE:
            self._opener = opener or (lambda: open_bus(name, config))
            self._open()
            self._thread = threading.Thread(target=self._receive, name=f"can {name}", daemon=True)
            self._thread.start()

    @classmethod
    def shared(cls, name: str, config: BusConfig, wanted: Iterable[tuple[int, bool]] = (), queue_frames: int = 8192) -> CanIo:
        """The one `CanIo` of this process for the bus `name`; give it back with `release`.

        Raises:
            HeronError: it is open already with another configuration.
            InputError: the bus cannot be opened.
        """
        with cls._shared_lock:
            if name in cls._shared:
                found, users = cls._shared[name]
                if found.config != config:
                    raise HeronError(f"bus {name} is open as {found.config}, asked for {config}: one process has one configuration per bus")
                found._widen(wanted)
            else:
                found, users = cls(name, config, wanted, queue_frames), 0
            cls._shared[name] = (found, users + 1)
            return found

    def release(self) -> None:
        """Gives back what `shared` handed out; the last user closes the bus."""
        with self._shared_lock:
            found, users = self._shared.get(self.name, (None, 0))
            if found is self and users > 1:
                self._shared[self.name] = (self, users - 1)
                return
            if found is self:
                del self._shared[self.name]
        self.close()

    def close(self) -> None:
        """Stops the thread and closes the bus."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
            self._thread = None
        self._shut()

    @property
    def up(self) -> bool:
        """Whether frames can pass now; always on a bus without wire."""
        return self._bus is not None or self.config.interface in NO_WIRE

    def push(self, frames: Iterable[Frame]) -> None:
        """Feeds a bus without wire. Frames that the log recorded as sent are in the tap's past, not received: they are passed over."""
        for frame in frames:
            if not frame.flags & FLAG_TX:
                self._received(frame)

    def listen(self, car: Callable[[Frame], object] | None) -> None:
        """Hands every frame that is sent on the interface `sim` to the simulated car; None: to nobody any more."""
        self._car = car

    def drain(self, until_ns: int | None = None) -> list[Frame]:
        """Frames received since the last call, in order; those with a later stamp than `until_ns` stay."""
        queue, found = self._queue, []
        while queue and (until_ns is None or queue[0].stamp_ns <= until_ns):
            found.append(queue.popleft())
        return found

    def send(self, frame: Frame) -> bool:
        """Writes one frame and marks it as sent by us; never raises on a bus in trouble.

        Returns:
            False: it was not written (bus off, its queue full), which is counted.
        """
        frame = frame if frame.flags & FLAG_TX else frame._replace(flags=frame.flags | FLAG_TX)
        bus = self._bus
        if not self.config.listen_only and self.config.interface not in NO_WIRE:
            import can

            try:
                if bus is None:
                    raise can.CanOperationError("bus is off")
                bus.send(to_message(frame))
            except (can.CanError, OSError, ValueError):
                self.counts["tx_failed"] += 1
                return False
        with self._lock:
            self.counts["tx"] += 1
            self._tx_digest.update(_TX_DIGEST.pack(frame.stamp_ns, frame.id, frame.flags, len(frame.data)) + frame.data)
            self._tapped(frame)
        if self._car is not None and self.config.interface == "sim" and not self.config.listen_only:
            self._car(frame)
        return True

    def watch(self, everything: bool) -> None:
        """Starts or ends the tap. While it runs all ids are received, else only the wanted ones."""
        with self._lock:
            if everything == (self._tap is not None):
                return
            self._tap = [] if everything else None
        self._filter(everything or not self._wanted)

    def tap(self) -> CanBatch | None:
        """Frames received and sent since the last call; None when there were none, or `watch` is off."""
        with self._lock:
            if not self._tap:
                return None
            frames, self._tap = self._tap, []
        return to_batch(self.name, frames)

    def events(self) -> list[str]:
        """What happened to the bus since the last call, one sentence each."""
        found = []
        while self._events:
            found.append(self._events.popleft())
        return found

    def tx_sha256(self) -> str:
        """Digest over stamp, id, flags, length and payload of every frame sent so far."""
        return self._tx_digest.hexdigest()

    def _received(self, frame: Frame) -> None:
        self.counts["rx"] += 1
        if len(self._queue) >= self._limit:
            self._queue.popleft()
            self.counts["rx_dropped"] += 1
        self._queue.append(frame)
        if self._tap is not None:
            with self._lock:
                self._tapped(frame)

    def _tapped(self, frame: Frame) -> None:
        if self._tap is None:
            return
        if len(self._tap) >= self._limit:
            self.counts["tap_dropped"] += 1
        else:
            self._tap.append(frame)

    def _receive(self) -> None:
        while not self._stop.is_set():
            try:
                self._receive_from(self._bus)
            except Exception as lost:  # backends raise many kinds, and a thread that ends here would be a bus that is silent for ever
                self.counts["bus_off_error"] += 1
                why = str(lost) if isinstance(lost, _BusLostError) else f"{type(lost).__name__}: {lost}"
                self._events.append(f"bus {self.name} is off: {why}")
                self._shut()
                self._reopen()

    def _receive_from(self, bus: can.BusABC | None) -> None:
        import can

        if bus is None:
            raise _BusLostError("it is closed")
        timeout_s = _RECEIVE_TIMEOUT_S
        while not self._stop.is_set():
            try:
                message = bus.recv(timeout_s)
            except (can.CanError, OSError, ValueError) as error:
                raise _BusLostError(str(error)) from error
            if message is not None:
                self._take(message)
                timeout_s = 0.0
            else:
                time.sleep(0.0 if timeout_s else _PAUSE_S)
                timeout_s = _RECEIVE_TIMEOUT_S

    def _take(self, message: can.Message) -> None:
        frame = to_frame(message, round(message.timestamp * 1e9))
        if frame.flags & FLAG_ERROR:
            self.counts["error_frames"] += 1
            if frame.id & ERROR_BUS_OFF:
                raise _BusLostError("the controller reports bus-off")
        self._received(frame)

    def _reopen(self) -> None:
        wait_s, longest_s = _BACKOFF_S
        while not self._stop.wait(wait_s):
            wait_s = min(wait_s * 2.0, longest_s)
            try:
                self._open()
            except Exception:  # said when it was lost; still so
                self._shut()
                continue
            self.counts["reopened"] += 1
            self._events.append(f"bus {self.name} is back")
            return

    def _open(self) -> None:
        self._bus = self._opener()
        self._filter(self._everything)

    def _shut(self) -> None:
        bus, self._bus = self._bus, None
        if bus is None:
            return
        try:
            bus.shutdown()
        except Exception as error:
            self._events.append(f"bus {self.name} does not close: {type(error).__name__}: {error}")

    def _filter(self, everything: bool) -> None:
        self._everything = everything
        bus = self._bus
        if bus is not None:
            bus.set_filters(None if everything else filters(self._wanted))

    def _widen(self, wanted: Iterable[tuple[int, bool]]) -> None:
        self._wanted = tuple(sorted({*self._wanted, *wanted})) if self._wanted else ()
        if not self._everything:
            self._filter(False)
