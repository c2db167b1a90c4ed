"""One measurement on a board, whatever the family: bundle, transport, and what the family reads from what came back.

Comes in: an artifact, a profile that names a board, some inputs. Goes out: an Observation, checked for what every family shares.
The word `hardware` is not given lightly: a run is called so only if the record says so, which the bundle's script does where the
board names itself (/proc/device-tree/model) and has the profile's instruction set, or if the user's own program says so, or if
the profile declares what the board is.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from targets.errors import ConfigurationError, HardwareError
from targets.families import family_named
from targets.footprint import Footprint, Term
from targets.hardware import command, ssh
from targets.hardware.record import Record, Returned
from targets.hardware.ways import Command, Ssh
from targets.latency import Latency, summarized
from targets.network import Network
from targets.profile import Profile
from targets.reference import Trace

Scores = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Observation:
    """What a board measured and computed."""

    footprint: Footprint
    #: int32 [N, classes].
    scores: NDArray[np.int32]
    #: Spikes and membrane potentials, where the family's bundle brings them back.
    trace: Trace | None
    #: The profile with what was found on the board, for the estimate to compare with.
    profile: Profile
    board: str
    latencies: tuple[Latency, ...]


def observe(folder: Path, network: Network, profile: Profile, inputs: NDArray[np.uint8]) -> Observation:
    """Runs `inputs` on the board that `[measure.hardware]` names, and measures there.

    Raises:
        ConfigurationError: no board is named.
        HardwareError: it cannot be reached, or what came back cannot be used.
    """
    way = profile.measure.hardware
    if way is None:
        raise ConfigurationError(f"{profile.name} names no board", "add [measure.hardware], or give --hardware")
    family = family_named(profile.family)
    with tempfile.TemporaryDirectory(prefix="spikeport-") as scratch:
        bundle = Path(scratch) / "bundle"
        bundle.mkdir()
        family.bundle(folder, network, profile, inputs, bundle)
        if isinstance(way, Ssh) and not (bundle / "run.sh").is_file():
            raise ConfigurationError(
                f"a {family.name} target does not run what comes over ssh", "give a program: --hardware command:PROGRAM"
            )
        returned = _labelled(_sent(bundle, way, Path(scratch) / "back"), way)
        observation: Observation = family.read_back(returned, folder, network, profile, inputs)
    expected = (len(inputs), network.readout.size)
    if observation.scores.shape != expected:
        raise HardwareError(
            f"{way.address} returned scores of shape {observation.scores.shape}, expected {expected}",
            "one row for each input, in their order",
        )
    return observation


def _sent(bundle: Path, way: Ssh | Command, into: Path) -> Returned:
    into.mkdir()
    return ssh.run(bundle, way, into) if isinstance(way, Ssh) else command.run(bundle, way, into)


def _labelled(returned: Returned, way: Ssh | Command) -> Returned:
    """The record with what the profile declares the board to be, which makes it one."""
    if way.board is None:
        return returned
    changes = {"board": f"{way.board} (so declared by the profile)", "obtained": "hardware"}
    return Returned(returned.record.model_copy(update=changes), returned.files)


def footprint_of(record: Record, expected: Footprint, known: tuple[Term, ...] = ()) -> Footprint:
    """The terms of a record in the regions of the estimate; `known` are those that the board need not repeat.

    Raises:
        HardwareError: a term is missing or unknown.
    """
    have = {term.name: term for term in known}
    wanted = {term.name: term for term in expected.terms}
    missing, unknown = wanted.keys() - have.keys() - record.terms.keys(), record.terms.keys() - wanted.keys()
    problems = [f"term {name!r} is missing" for name in sorted(missing)]
    problems += [f"there is no term {name!r}" for name in sorted(unknown)]
    if problems:
        raise HardwareError(f"the board's measurement: {'; '.join(problems)}", f"terms are {', '.join(wanted)}")
    measured = [Term(n, wanted[n].region, size, wanted[n].moment) for n, size in record.terms.items()]
    rest = [term for term in known if term.name not in record.terms]
    return Footprint((*rest, *measured), record.obtained, {**record.tools, "board": record.board})


def latencies_of(record: Record) -> tuple[Latency, ...]:
    """Summaries of the timings of a record; none of an emulated or simulated run."""
    if record.obtained not in ("hardware", "runtime"):
        return ()
    return tuple(
        summarized(timing.what, record.obtained, record.board, timing.seconds, timing.warm_up)
        for timing in record.timings
    )


def scores_of(record: Record) -> NDArray[np.int32]:
    """The scores of a record as an array.

    Raises:
        HardwareError: rows differ in length, or a score is no int32.
    """
    if len({len(row) for row in record.scores}) > 1 or any(abs(s) >= 2**31 for row in record.scores for s in row):
        raise HardwareError("the board's scores are not rows of equal length of 32-bit integers")
    return np.array(record.scores, np.int32).reshape(len(record.scores), -1)
