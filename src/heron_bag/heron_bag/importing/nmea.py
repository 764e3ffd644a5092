"""NMEA logs: one GNSS fix per GGA sentence, dated by RMC; from RMC alone where there is no GGA."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from heron_bag.errors import BagError
from heron_bag.importing.config import NmeaSource
from heron_bag.importing.recording import Item, Tally, find_file
from heron_core.signals import FixType, GnssFix

TOPIC = "/gnss/fix"
_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_GGA_QUALITY = {
    1: FixType.AUTONOMOUS,
    2: FixType.DGPS,
    3: FixType.AUTONOMOUS,
    4: FixType.RTK_FIXED,
    5: FixType.RTK_FLOAT,
    9: FixType.DGPS,
}  # 0: none; 6, 7, 8: estimated, manual, simulated
_RMC_MODE = {"A": FixType.AUTONOMOUS, "D": FixType.DGPS, "R": FixType.RTK_FIXED, "F": FixType.RTK_FLOAT}


class NmeaRecording:
    """A log of NMEA sentences; sentences that are broken are counted and left out."""

    def __init__(self, source: NmeaSource, base: Path) -> None:
        file = find_file(source.file, base)
        self.files = [file]
        self.label = f"NMEA log {file.name}"
        self.offset_s = source.offset_s
        sentences, self._broken = _parse(file)
        self._fixes = _fixes(sentences, source.std_m)
        if not self._fixes:
            raise BagError(f"{file}: no GGA or RMC sentence with a time in it ({self._broken} broken ones)")
        self.absolute = any(sentence.sentence_type == "RMC" and sentence.datestamp for sentence in sentences)
        self.first_ns = self._fixes[0].stamp_ns
        self.expected: int | None = len(self._fixes)

    def items(self, shift_ns: int, tally: Tally) -> Iterator[Item]:
        """See `Recording.items`."""
        if self._broken:
            tally.counts["broken NMEA sentences left out"] += self._broken
        for fix in self._fixes:
            tally.counts[f"{fix.fix.name} fixes"] += 1
            stamp_ns = fix.stamp_ns + shift_ns
            shifted = GnssFix(stamp_ns, fix.latitude_deg, fix.longitude_deg, fix.altitude_m, fix.fix, fix.horizontal_std_m)
            yield stamp_ns, TOPIC, shifted


def _parse(file: Path) -> tuple[list[Any], int]:
    import pynmea2

    sentences, broken = [], 0
    for line in file.read_text(encoding="ascii", errors="replace").splitlines():
        text = line.strip()
        if not text.startswith("$"):
            continue
        try:
            sentence = pynmea2.parse(text, check=True)
        except pynmea2.ParseError:  # checksum errors among them
            broken += 1
            continue
        if sentence.sentence_type in ("GGA", "RMC") and sentence.data[0]:
            sentences.append(sentence)
    return sentences, broken


def _fixes(sentences: list[Any], std_m: Mapping[str, float]) -> list[GnssFix]:
    kind = "GGA" if any(sentence.sentence_type == "GGA" for sentence in sentences) else "RMC"
    reference_ns = next((_rmc_time(sentence) for sentence in sentences if _is_dated(sentence)), 0)
    fixes = []
    for sentence in sentences:
        if _is_dated(sentence):
            reference_ns = _rmc_time(sentence)
        if sentence.sentence_type == kind:
            fixes.append(_fix(sentence, _nearest_day(_time_of_day(sentence.data[0]), reference_ns), std_m))
    return sorted(fixes, key=lambda fix: fix.stamp_ns)


def _is_dated(sentence: Any) -> bool:
    return sentence.sentence_type == "RMC" and bool(sentence.datestamp)


def _rmc_time(sentence: Any) -> int:
    day: date = sentence.datestamp
    return (day - date(1970, 1, 1)).days * _DAY + _time_of_day(sentence.data[0])


def _time_of_day(text: str) -> int:
    """hhmmss.ss → nanoseconds of the day, exactly."""
    whole, _, fraction = text.partition(".")
    seconds = int(whole[:2]) * 3600 + int(whole[2:4]) * 60 + int(whole[4:6])
    return seconds * _SECOND + int((fraction + "0" * 9)[:9])


def _nearest_day(time_of_day_ns: int, reference_ns: int) -> int:
    """The moment of that time of day which lies nearest to the reference: GGA has no date."""
    days = math.floor((reference_ns - time_of_day_ns) / _DAY + 0.5) if reference_ns else 0
    return days * _DAY + time_of_day_ns


def _fix(sentence: Any, stamp_ns: int, std_m: Mapping[str, float]) -> GnssFix:
    if sentence.sentence_type == "GGA":
        kind = _GGA_QUALITY.get(int(sentence.gps_qual or 0), FixType.NONE)
        altitude = _number(sentence.altitude) + _number(sentence.geo_sep)  # above sea level + geoid = above the ellipsoid
        std = std_m.get(kind.name.lower(), math.nan) * _number(sentence.horizontal_dil)
    else:
        kind = _RMC_MODE.get(sentence.mode_indicator or "A", FixType.NONE) if sentence.status == "A" else FixType.NONE
        altitude, std = math.nan, std_m.get(kind.name.lower(), math.nan)
    if kind is FixType.NONE:
        return GnssFix(stamp_ns, math.nan, math.nan, math.nan, kind, math.nan)
    return GnssFix(stamp_ns, sentence.latitude, sentence.longitude, altitude, kind, std)


def _number(text: Any) -> float:
    return float(text) if text not in (None, "") else math.nan
