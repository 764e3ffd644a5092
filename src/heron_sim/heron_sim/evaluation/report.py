"""What an evaluation found: figures beside those of the baselines, promises kept and broken, as JSON and as Markdown for a policy's card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heron_sim.evaluation.figures import PROMISES, Figures, Promise, figures
from heron_sim.evaluation.probes import ASIDE_M, FURTHER_M, Probe, summed
from heron_sim.evaluation.work import BLANK, COMMAND, LAMP, LANGUAGES, POLICY, TURN
from heron_sim.matrix_jobs import Row

WAYS = {COMMAND: "command", "en": "English", "ja": "Japanese"}
TAKEN = 0.9  # of instructed manoeuvres
COLLAPSED = 0.3  # of route completion with black pictures
CHANGED = 0.9  # of scenes whose plan follows what was changed
MOST_TOLD = 12


@dataclass(frozen=True)
class Line:
    """One demand and what was found.

    Attributes:
        text: what is demanded, for people.
        demand: the limit; "": nothing is demanded.
        found: by the policy, the kinematic baseline and the expert; "": not measured.
        kept: None: nothing was measured, or nothing is demanded.
    """

    text: str
    demand: str
    found: tuple[str, str, str]
    kept: bool | None


@dataclass(frozen=True)
class Evaluation:
    """Rows of an evaluation, by what they are for (`work.plan_work`).

    Attributes:
        rows: see there; a group that was not done is missing.
        words: lines on what the policy says and understands, judged by who can read it; of one that reads and speaks.
    """

    rows: Mapping[str, Sequence[Row]]
    words: Sequence[Line] = ()

    def figures(self, who: str) -> Figures | None:
        """Of `policy`, `kinematic`, `expert` or `blank`; None: not driven."""
        found = self.rows.get(who, ())
        return figures(found, self.rows.get("expert", ())) if found else None

    def turns(self, way: str) -> tuple[int, int]:
        """Manoeuvres taken as instructed, and asked for, in junctions alone."""
        found = self.rows.get(way, ())
        return sum((row["driving"].get("turns_taken") or 0) >= 1 for row in found), len(found)

    def probes(self) -> dict[str, Probe]:
        """Of single moments, by name."""
        changes: dict[str, list[float]] = {}
        for row in (*self.rows.get(LAMP, ()), *self.rows.get(TURN, ())):
            for name, found in row["changes"].items():
                changes.setdefault(name, []).extend(found)
        return {name: summed(name, found, FURTHER_M if name == LAMP else ASIDE_M) for name, found in changes.items()}

    def lines(self) -> list[Line]:
        """Everything that is demanded, in order."""
        return [*self._promises(), *self._turns(), *self._probes(), *self.words]

    @property
    def kept(self) -> bool:
        """All that was measured is as demanded."""
        return all(line.kept is not False for line in self.lines())

    def faults(self) -> list[str]:
        """Drives and probes that could not be done, a sentence each."""
        return [
            f"{name}, {row['scenario']}, seed {row['seed']}: {'; '.join(row['failures'])}"
            for name, rows in self.rows.items()
            for row in rows
            if not row["driving"] and row["failures"]
        ]

    def report(self) -> dict[str, Any]:
        """JSON."""
        whose = {who: found for who in (POLICY, "kinematic", "expert", BLANK) if (found := self.figures(who)) is not None}
        turns = {way: dict(zip(("taken", "asked"), self.turns(way), strict=True)) for way in WAYS if way in self.rows}
        return {
            "kept": self.kept,
            "figures": {who: found.report() for who, found in whose.items()},
            "junctions": turns,
            "probes": {name: found.report() for name, found in self.probes().items()},
            "lines": [
                {"text": line.text, "demand": line.demand, "found": dict(zip(COLUMNS, line.found, strict=True)), "kept": line.kept}
                for line in self.lines()
            ],
            "faults": self.faults(),
        }

    def _promises(self) -> Iterator[Line]:
        whose = {who: self.figures(who) for who in COLUMNS}
        for promise in PROMISES:
            values = {who: None if found is None else getattr(found, promise.figure) for who, found in whose.items()}
            measured = whose[promise.of] is not None
            shown = tuple(_shown(promise, who, values[who], whose[who]) for who in COLUMNS)
            yield Line(promise.text, promise.demand, (shown[0], shown[1], shown[2]), promise.kept(values[promise.of]) if measured else None)

    def _turns(self) -> Iterator[Line]:
        for way, words in WAYS.items():
            taken, asked = self.turns(way)
            if asked:
                yield Line(f"instructed turn taken, {words}", f"≥ {TAKEN:.0%}", (f"{taken} of {asked}", "", ""), taken >= TAKEN * asked)

    def _probes(self) -> Iterator[Line]:
        blank = self.figures(BLANK)
        if blank is not None and blank.completion is not None:
            text = "completion with black pictures"
            yield Line(text, f"< {COLLAPSED:.0%}", (f"{100.0 * blank.completion:.1f} %", "", ""), blank.completion < COLLAPSED)
        names = {LAMP: f"lamp made green: ≥ {FURTHER_M:g} m further", COMMAND: f"command swapped: ≥ {ASIDE_M:g} m aside"}
        names |= {language: f"{WAYS[language]} sentence swapped: ≥ {ASIDE_M:g} m aside" for language in LANGUAGES}
        for name, found in self.probes().items():
            share = found.changed >= CHANGED * found.scenes
            yield Line(names[name], f"≥ {CHANGED:.0%}", (f"{found.changed} of {found.scenes} ({found.mean_m:+.1f} m)", "", ""), share)


COLUMNS = (POLICY, "kinematic", "expert")


def _shown(promise: Promise, who: str, value: float | None, found: Figures | None) -> str:
    if found is None or (promise.of != POLICY and who != promise.of):
        return ""
    counts = {
        "red_obeyed_share": f" of {found.red_approaches}",
        "lateral_interventions": f" in {found.km:.1f} km",
        "at_fault_per_km": f" ({found.at_fault_collisions})",
        "needless_per_km": f" ({found.needless_stops})",
    }
    return promise.shown(value) + (counts.get(promise.figure, "") if value is not None else "")


def markdown(evaluation: Evaluation, title: str, command: str) -> str:
    """A section of a policy's card.

    Args:
        evaluation: that was done.
        title: of the section.
        command: that makes it again.
    """
    lines = [f"## {title}", "", f"`{command}`", "", "| what | demanded | policy | kinematic | expert | kept |", "|---|---|---|---|---|---|"]
    for line in evaluation.lines():
        verdict = "–" if line.kept is None else "yes" if line.kept else "**no**"
        lines.append(f"| {line.text} | {line.demand} | {' | '.join(line.found)} | {verdict} |")
    found = evaluation.figures(POLICY)
    if found is not None:
        turns = f"{found.turns_taken} of {found.turns_taken + found.turns_missed}"
        lines += [
            "",
            f"{found.drives} drives, {found.km:.2f} km, {found.seconds / 60.0:.0f} min. Junctions with a choice taken as commanded: {turns}.",
            f"Changes of lane more than 2.5 m behind the route's line, yet in time for the junction: {found.late_changes}.",
        ]
    faults = evaluation.faults()
    lines += ["", *(f"- could not be done: {fault}" for fault in faults[:MOST_TOLD])] if faults else []
    return "\n".join(lines) + "\n"
