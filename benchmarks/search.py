"""SpikeNAS's search here against SNASNet's random search: time, and the cells that both find.

    python -m benchmarks.search --data DIR [--scores SCORES.csv --cells CELLS.csv]

Same macro-architecture (SNASNet's: two cells, 256 channels for CIFAR-10, 128 for the others), images and machine. SNASNet scores
5,000 random candidates by SAHD, each on 256 images over 5 steps. That takes days, so a few candidates are timed on a few images
and the time is multiplied by what is missing; convolutions of small batches are not slower per image here by more than the
printed spread. The search of this project is timed as it is, with the studies of analyze.

The cells are compared at a scale that can be paid, in networks of 16 channels: what the search here found, what cell-by-cell
search finds when it goes by SAHD itself, and SNASNet's pick, the best by SAHD of 100 random cells; with both scores of each.

DIR holds CIFAR-10 in its binary version; CIFAR-100- and TinyImageNet-shaped work uses the same images with as many classes, and
enlarged to 64x64. With the output of benchmarks.rank_cells it also prints what both scores' picks among its cells reached when
they were trained: among all of them, and over draws of as many as a budget might leave.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np

from stages.analyze import AnalyzeConfig, analyze
from stages.data.catalog import load_dataset
from stages.data.dataset import Dataset, Split
from stages.progress import silent
from stages.scores.catalog import score_named
from stages.scores.evidence import evidence
from stages.scores.hamming import sahd
from stages.scores.subject import Subject, batch_of
from stages.search import macro_choices, search
from stages.searching import cell_by_cell
from stages.searching.algorithm import Task, best_of
from stages.searching.candidates import Evaluator
from stages.searching.config import SearchConfig
from stages.searching.space import BASE_OPERATIONS, CellSpace
from stages.snn.architecture import Architecture
from targets.profile import load_profile

CANDIDATES, BATCH, STEPS = 5_000, 256, 5
RESAMPLES, RESAMPLED = 200, 400
#: Random cells among which SNASNet picks, at a small scale.
COMPARED = 100
#: Channels of that scale.
SMALL = 16


@dataclass(frozen=True)
class Work:
    """A dataset's shape, SNASNet's width for it, and how much faster the search has to be."""

    name: str
    pixels: int
    classes: int
    channels: int
    stem_stride: int
    floor: int


WORKS = (
    Work("CIFAR-10", 32, 10, 256, 1, 1_000),
    Work("CIFAR-100", 32, 100, 128, 1, 1_000),
    Work("TinyImageNet", 64, 200, 128, 2, 300),
)


def shaped(dataset: Dataset, work: Work) -> Dataset:
    """The images at the size of the work, with as many classes (labels are spread over them; no score here reads them)."""
    factor = work.pixels // 32

    def split(of: Split) -> Split:
        images = of.images[:2_000].repeat(factor, axis=2).repeat(factor, axis=3)
        return Split(images, np.arange(len(images)) % work.classes)

    names = tuple(str(number) for number in range(work.classes))
    return replace(
        dataset,
        train=split(dataset.train),
        validation=split(dataset.validation),
        test=split(dataset.test),
        class_names=names,
    )


def snasnet_seconds(dataset: Dataset, work: Work, candidates: int, images: int) -> tuple[float, float]:
    """Seconds of the whole random search: the mean over the timed candidates, and the spread between them."""
    batch = replace(batch_of(dataset, images, timesteps=STEPS, seed=0, pixels=work.pixels), as_snasnet=True)
    random, space, board = Random(0), CellSpace.of(4, BASE_OPERATIONS), load_profile("jetson_nano")
    timed = []
    for _ in range(candidates):
        a = Architecture(
            input_shape=dataset.input_shape,
            classes=work.classes,
            cells=(str(space.sample(random)),) * 2,
            channels=work.channels,
            timesteps=STEPS,
            stem_stride=work.stem_stride,
        )
        fresh = replace(batch)  # nothing remembered: SNASNet's candidates share nothing
        started = time.perf_counter()
        sahd(Subject(a, board, fresh))
        timed.append((time.perf_counter() - started) * CANDIDATES * BATCH / images)
    return float(np.mean(timed)), float(np.std(timed))


def fixed(channels: int, stem_stride: int) -> SearchConfig:
    """A search for cells alone: everything around them is given."""
    return SearchConfig(
        timesteps=STEPS,
        cell_counts=(2,),
        min_channels=channels,
        max_channels=channels,
        stem_strides=(stem_stride,),
        head_pools=(1,),
        weight_bits=(8,),
        max_synaptic_operations=10**15,
        min_gain=0,
    )


def spikenas_seconds(dataset: Dataset, work: Work) -> tuple[float, tuple[str, ...]]:
    """Seconds of analyze and search on the same macro-architecture, and the cells found."""
    board = load_profile("jetson_nano")
    config = fixed(work.channels, work.stem_stride)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        analysis = analyze(dataset, board, AnalyzeConfig(timesteps=STEPS), silent)
        result = search(dataset, board, analysis, config, Path(folder), silent)
    return time.perf_counter() - started, result.architecture.cells


def compare(dataset: Dataset, found: tuple[str, ...]) -> None:
    """Prints both scores, in networks of 16 channels, of the cells found here by each score and of SNASNet's pick by SAHD.

    The search by SAHD is timed beside the random search: both pay SAHD per network at this scale, nothing is multiplied.
    """
    batch, board, random = batch_of(dataset, 64, timesteps=STEPS, seed=0), load_profile("jetson_nano"), Random(1)
    as_snasnet = replace(batch, as_snasnet=True)

    def small(cells: tuple[str, ...]) -> Architecture:
        return Architecture(
            input_shape=batch.input_shape, classes=dataset.classes, cells=cells, channels=SMALL, timesteps=STEPS
        )

    space = CellSpace.of(4, BASE_OPERATIONS)
    drawn = [small((str(space.sample(random)),) * 2) for _ in range(COMPARED)]
    started = time.perf_counter()
    by_sahd = [sahd(Subject(a, board, as_snasnet)) for a in drawn]
    theirs, seconds = drawn[int(np.argmax(by_sahd))], time.perf_counter() - started
    evaluator = Evaluator(board, as_snasnet, score_named("sahd"))
    macro = replace(macro_choices(dataset, board, fixed(SMALL, 1)), input_shape=batch.input_shape)
    started = time.perf_counter()
    cell_by_cell.search(Task(space, macro, (2,), evaluator, 0, 0, silent))
    ours = best_of(evaluator.candidates)
    if ours is None:
        raise SystemExit("no network of 16 channels fits the board")
    rated = sum(c.score is not None for c in evaluator.candidates)
    by_search = time.perf_counter() - started
    rows = (
        ("found here by evidence", small(found), "no SAHD"),
        (f"found here by SAHD, {rated} rated", ours.architecture, f"{by_search:.0f} s"),
        (f"SNASNet's pick by SAHD of {COMPARED}", theirs, f"{seconds:.0f} s"),
    )
    for name, a, spent in rows:
        points, distance = evidence(Subject(a, board, batch)), sahd(Subject(a, board, as_snasnet))
        print(
            f"  {name} ({spent}): evidence {points:.2f} points, SAHD {distance:.2f}\n    {'  '.join(a.cells)}",
            flush=True,
        )


def picks(scores: Path, cells: Path) -> None:
    """Accuracy that the best cell of each score reached when trained, over resamples of the trained cells."""
    with scores.open(newline="") as lines:
        rows = {row["id"]: row for row in csv.DictReader(lines)}
    with cells.open(newline="") as lines:
        truth = {row["id"]: float(row["test"]) for row in csv.DictReader(lines)}
    ids = [number for number in truth if number in rows]
    accuracy = np.array([truth[number] for number in ids])
    print(f"\naccuracy of the picked cell, mean over {RESAMPLES} draws of {RESAMPLED} of {len(ids)} trained cells")
    for name in ("evidence", "sahd", "longest_path"):
        score = np.array([float(rows[number][name]) for number in ids])
        random = np.random.default_rng(0)
        reached = []
        for _ in range(RESAMPLES):
            drawn = random.choice(len(ids), min(RESAMPLED, len(ids)), replace=False)
            reached.append(accuracy[drawn[np.lexsort((random.random(len(drawn)), score[drawn]))[-1]]])
        best = accuracy[np.lexsort((random.random(len(ids)), score))[-1]]
        print(f"  {name:14} {np.mean(reached):.2f} %, and {best:.2f} % among all {len(ids)}")
    print(f"  {'random':14} {accuracy.mean():.2f} %, the best is {accuracy.max():.2f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--candidates", type=int, default=4, help="candidates of SNASNet that are timed")
    parser.add_argument("--images", type=int, default=8, help="images on which they are timed")
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--cells", type=Path)
    options = parser.parse_args()
    dataset = load_dataset("cifar10", options.data, 0)
    for work in WORKS:
        images = shaped(dataset, work)
        theirs, spread = snasnet_seconds(images, work, options.candidates, options.images)
        ours, found = spikenas_seconds(images, work)
        print(
            f"{work.name}: SNASNet {theirs / 3600:,.0f} h (± {spread / 3600:,.0f}; {options.candidates} candidates on "
            f"{options.images} images, multiplied to {CANDIDATES:,} on {BATCH}), here {ours:.1f} s: {theirs / ours:,.0f} times "
            f"less (floor {work.floor:,})",
            flush=True,
        )
        compare(images, found)
    if options.scores and options.cells:
        picks(options.scores, options.cells)


if __name__ == "__main__":
    main()
