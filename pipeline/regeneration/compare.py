"""`regenerate --check`: what has become worse since the lock file was written, by how much, and what was changed meanwhile.

Comes in: a Lock and the entries of now. Goes out: findings. A finding that is a regression fails the check; the others say
that a model is not the locked one without being worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.regeneration.lock import LOCK, Lock, LockedModel, LockedTerm, LockTolerance
from pipeline.regeneration.outcome import Outcome
from targets.profile import profile_names

_MOST_CAUSES = 6
#: Characters from which on only the difference of two texts is told.
_LONG = 60
_SIDES = ("estimated", "measured")


@dataclass(frozen=True)
class Finding:
    """One difference from the lock."""

    target: str
    dataset: str
    text: str
    regression: bool = True

    def __str__(self) -> str:
        return f"{self.target} · {self.dataset}: {self.text}" if self.dataset else f"{self.target}: {self.text}"


def compare(
    lock: Lock, now: Mapping[tuple[str, str], LockedModel], outcomes: Sequence[Outcome], *, all_targets: bool
) -> list[Finding]:
    """Everything that differs, in the order of the outcomes; with `all_targets` also what only the lock knows."""
    findings: list[Finding] = []
    for outcome in outcomes:
        found, entry = now.get((outcome.target, outcome.dataset)), lock.entry(outcome.target, outcome.dataset)
        if found is None:
            continue  # it has failed, which is told by itself
        if entry is None:
            text = f"is not in {LOCK.name}; regenerate without --check to add it"
            findings.append(Finding(outcome.target, outcome.dataset, text))
        else:
            findings += _differences(outcome.target, outcome.dataset, entry, found, lock.tolerance)
    return findings + (list(_unknown(lock, outcomes)) if all_targets else [])


def _unknown(lock: Lock, outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    """Entries that nothing was made for although all was asked for."""
    made = {outcome.target for outcome in outcomes}
    for target in sorted(lock.models.keys() - made - set(profile_names())):
        text = f"is in {LOCK.name} and no profile of that name is shipped; regenerate without --check to remove it"
        yield Finding(target, "", text)


def _differences(
    target: str, dataset: str, locked: LockedModel, now: LockedModel, tolerance: LockTolerance
) -> Iterator[Finding]:
    worse = [*_accuracy(locked, now, tolerance), *_terms(locked, now, tolerance)]
    causes = list(changed_inputs(locked, now))
    shown = ", ".join(causes[:_MOST_CAUSES]) + (
        f" and {len(causes) - _MOST_CAUSES} more" if len(causes) > _MOST_CAUSES else ""
    )
    since = f"changed since: {shown}" if causes else "no input has changed: the result is not reproducible here"
    for text in worse:
        yield Finding(target, dataset, f"{text}; {since}")
    if locked.architecture != now.architecture:
        yield Finding(target, dataset, f"another architecture: {_architecture(locked, now)}; {since}", regression=False)
    elif locked.artifact != now.artifact and not worse:
        paths = sorted(locked.artifact.keys() | now.artifact.keys())
        names = [path for path in paths if locked.artifact.get(path) != now.artifact.get(path)]
        text = f"other bytes, no worse: {', '.join(Path(name).name for name in names)}; {since}"
        yield Finding(target, dataset, text, regression=False)


def _accuracy(locked: LockedModel, now: LockedModel, tolerance: LockTolerance) -> Iterator[str]:
    before, after = locked.accuracy.exported, now.accuracy.exported
    if before - after > tolerance.accuracy + 1e-12:
        yield (
            f"accuracy fell from {before:.2%} to {after:.2%}, "
            f"{100 * (before - after):.2f} points ({100 * tolerance.accuracy:g} are tolerated)"
        )


def _terms(locked: LockedModel, now: LockedModel, tolerance: LockTolerance) -> Iterator[str]:
    """Terms that grew, are new or are gone, both estimated and measured."""
    before, after = _flat(locked), _flat(now)
    for region, term in [*after, *(each for each in before if each not in after)]:
        old, new = before.get((region, term)), after.get((region, term))
        if new is None or old is None:
            yield f"{term} in {region} is {'gone' if new is None else 'new'}"
            continue
        grown = []
        for side in _SIDES:
            was, size = getattr(old, f"{side}_bytes"), getattr(new, f"{side}_bytes")
            if not tolerance.allows(was, size):
                grown.append(f"{side} {was:,} B to {size:,} B, {size - was:+,} B")
        if grown:
            yield f"{term} in {region} grew: {'; '.join(grown)}"


def _flat(model: LockedModel) -> dict[tuple[str, str], LockedTerm]:
    return {(region, name): term for region, terms in model.footprint.items() for name, term in terms.items()}


def changed_inputs(locked: LockedModel, now: LockedModel) -> Iterator[str]:
    """What decided the result and is not as it was: inputs by name, versions with both of them."""
    for name in sorted(locked.inputs.keys() | now.inputs.keys()):
        if locked.inputs.get(name) != now.inputs.get(name):
            yield name
    for before, after in ((locked.versions, now.versions), (locked.measured_with, now.measured_with)):
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                yield _changed(name, before.get(name, "absent"), after.get(name, "absent"))


def _changed(name: str, before: str, after: str) -> str:
    """Both texts; of long ones, such as a compiler's flags, the words that are in one only."""
    if max(len(before), len(after)) <= _LONG:
        return f"{name} {before} to {after}"
    old, new = before.split(), after.split()
    gone, come = (" ".join(word for word in side if word not in other) for side, other in ((old, new), (new, old)))
    return f"{name} {gone} to {come}" if gone and come else f"{name} {'without' if gone else 'with'} {gone or come}"


def _architecture(locked: LockedModel, now: LockedModel) -> str:
    before, after = locked.architecture, now.architecture
    names = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {before.get(name)} to {after.get(name)}" for name in names)
