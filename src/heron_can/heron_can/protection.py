"""Counter and checksum of one message: sealed when sent, checked when received."""

from __future__ import annotations

from enum import Enum

from heron_can.checksum import E2E_P11_COUNTER_MODULUS, DataIdMode, e2e_p11_crc, e2e_p11_seed, toyota_checksum
from heron_can.codec import MessageCodec, SignalCodec
from heron_can.mapping import ProtectionConfig

MAX_WRONG_COUNTERS = 5  # from here the message is not trusted (opendbc safety)


class Verdict(str, Enum):
    """What the protection of a received frame says; the value names a counter."""

    OK = "ok"
    WRONG_CHECKSUM = "checksum_error"
    WRONG_COUNTER = "counter_error"
    REPEATED_COUNTER = "counter_error_repeated"
    SKIPPED_COUNTER = "counter_error_skipped"


class Protection:
    """How one message is protected; holds no state."""

    def __init__(
        self, config: ProtectionConfig, message: MessageCodec, checksum_byte: int, counter: SignalCodec | None, nibble: SignalCodec | None
    ) -> None:
        self.message = message
        self.counter = counter
        self._byte = checksum_byte
        self._nibble = nibble
        self._data_id = config.data_id
        self._p11 = config.kind == "e2e_p11"
        self._seed = e2e_p11_seed(config.data_id, DataIdMode(config.data_id_mode))
        self.modulus = E2E_P11_COUNTER_MODULUS if self._p11 else (1 << counter.length if counter else 1)
        self._id_bits = message.placed(nibble, config.data_id >> 8) if nibble else 0
        self._others = ~(0xFF << 8 * checksum_byte)  # than the checksum

    def checksum(self, data: bytes) -> int:
        """The checksum that `data` should carry."""
        return e2e_p11_crc(data, self._byte, self._seed) if self._p11 else toyota_checksum(self.message.id, data, self._byte)

    def checksum_right(self, data: bytes) -> bool:
        """Whether `data` carries its checksum (and, in nibble mode, the id's upper bits)."""
        if self._nibble is not None and self._nibble.raw(data) != self._data_id >> 8:
            return False
        return data[self._byte] == self.checksum(data)

    def seal(self, data: bytearray, count: int) -> bytes:
        """`data` with counter (`count` modulo the counter's range) and checksum set; their bits must be 0 in it."""
        return self.sealed(int.from_bytes(data, "little"), count)

    def sealed(self, word: int, count: int) -> bytes:
        """The same for a payload as one integer, lowest byte first."""
        length = self.message.length
        word |= self._id_bits
        if self.counter is not None:
            word |= self.message.placed(self.counter, count % self.modulus)
        checksum = self.checksum(word.to_bytes(length, "little"))
        return (word & self._others | checksum << 8 * self._byte).to_bytes(length, "little")


class Guard:
    """Follows one protected message as received: is each frame right, and is the sender still trusted?

    The trust is lost at `MAX_WRONG_COUNTERS` wrong counters, where a right one takes back a wrong one, and returns when all are taken back.
    """

    def __init__(self, protection: Protection) -> None:
        self._protection = protection
        self._last: int | None = None
        self._wrong = 0
        self.trusted = True

    def check(self, data: bytes) -> Verdict:
        """Judges one frame's payload (of the message's length).

        A wrong checksum says nothing about the counter. Repeated and wrong counters mark old data; after a skipped one the data is new.
        """
        protection = self._protection
        if not protection.checksum_right(data):
            return Verdict.WRONG_CHECKSUM
        if protection.counter is None:
            return Verdict.OK
        count = protection.counter.raw(data)
        if count >= protection.modulus:
            return self._judge(Verdict.WRONG_COUNTER)
        last, self._last = self._last, count
        if last is None or count == (last + 1) % protection.modulus:
            return self._judge(Verdict.OK)
        return self._judge(Verdict.REPEATED_COUNTER if count == last else Verdict.SKIPPED_COUNTER)

    def _judge(self, verdict: Verdict) -> Verdict:
        if verdict is Verdict.OK:
            if self._wrong or not self.trusted:
                self._wrong = max(self._wrong - 1, 0)
                self.trusted = self.trusted or self._wrong == 0
        else:
            self._wrong = min(self._wrong + 1, MAX_WRONG_COUNTERS)
            self.trusted = self.trusted and self._wrong < MAX_WRONG_COUNTERS
        return verdict
