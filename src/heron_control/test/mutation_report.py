"""What a run of the mutants found, to read and to count."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from mutants import Mutant

# (file, line of code, before, after) → why no test can tell it from the original.
_STAMP = "a stamp that nobody reads: only bytes go into and out of the codec"
_ENCODE = "return [RawFrame(sent.bus, sent.frame.id, sent.frame.data) for sent in self._encoder.encode(asked, 0, count)]"
_DECODE = "parts = [self._decoder.decode(frame.bus, self.frame(frame, 0)) for frame in frames]"
EQUIVALENT: dict[tuple[str, str, str, str], str] = {("can_codec.py", line, "0", "1"): _STAMP for line in (_ENCODE, _DECODE)}


def excuse(mutant: Mutant) -> str:
    """Why it cannot be told from the original, or empty."""
    return EQUIVALENT.get((Path(mutant.file).name, mutant.code, mutant.before, mutant.after), "")


def write_report(found: dict[Mutant, str], seconds: float, out: Path) -> None:
    """mutation.json and mutation.md in `out`. `found`: mutant → killer, or empty where it survived."""
    out.mkdir(parents=True, exist_ok=True)
    counts = {"mutants": len(found), "killed": sum(map(bool, found.values())), "equivalent": sum(bool(excuse(m)) and not k for m, k in found.items())}
    rows = [{**asdict(mutant), "killer": killer, "equivalent": excuse(mutant)} for mutant, killer in found.items()]
    (out / "mutation.json").write_text(json.dumps({**counts, "seconds": round(seconds, 1), "rows": rows}, indent=1) + "\n")
    files = list(dict.fromkeys(mutant.file for mutant in found))
    text = [f"# Mutants of the gate and of who drives: {counts['killed']} of {counts['mutants']} killed, {counts['equivalent']} equivalent", ""]
    text += ["| file | mutants | killed | equivalent | survived |", "|---|---:|---:|---:|---:|"]
    text += ["| " + " | ".join(map(str, (Path(file).name, *_fates(file, found)))) + " |" for file in files]
    text += ["", "Killers by number: " + ", ".join(f"{name} {count}" for name, count in _most(found)) + ".", ""]
    for file in files:
        text += [f"## {file}", "", "| line | in | kind | before → after | killer |", "|---:|---|---|---|---|"]
        text += [_row(mutant, killer) for mutant, killer in found.items() if mutant.file == file]
        text.append("")
    (out / "mutation.md").write_text("\n".join(text))


def _fates(file: str, found: dict[Mutant, str]) -> tuple[int, int, int, int]:
    own = {mutant: killer for mutant, killer in found.items() if mutant.file == file}
    killed, excused = sum(map(bool, own.values())), sum(bool(excuse(mutant)) and not killer for mutant, killer in own.items())
    return len(own), killed, excused, len(own) - killed - excused


def _most(found: dict[Mutant, str]) -> list[tuple[str, int]]:
    return Counter(_short(killer).split("[")[0].split(":")[0] for killer in found.values() if killer).most_common()


def _short(killer: str) -> str:
    """Without the folder."""
    return killer.rpartition("/test/")[2] if "/test/" in killer else killer


def _row(mutant: Mutant, killer: str) -> str:
    fate = _short(killer) or (f"equivalent: {excuse(mutant)}" if excuse(mutant) else "**SURVIVED**")
    before, after, fate = (_cell(each) for each in (mutant.before, mutant.after, fate))
    return f"| {mutant.line} | {mutant.function or 'module'} | {mutant.kind} | `{before}` → `{after}` | {fate} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
