"""Augmentation: every result is an image that could have been meant, and the same seed means the same."""

from __future__ import annotations

import torch

from stages.training.augment import augmented
from stages.training.plan import Augmentation

PIXELS = torch.arange(1, 2 * 3 * 8 * 6 + 1).reshape(2, 3, 8, 6).repeat(40, 1, 1, 1).to(torch.int32)


def test_nothing_changes_by_default() -> None:
    assert augmented(PIXELS, Augmentation(), 1) is PIXELS


def test_an_image_is_mirrored_or_not() -> None:
    found = augmented(PIXELS, Augmentation(mirror=True), 3)
    mirrored = [torch.equal(new, old.flip(-1)) for new, old in zip(found, PIXELS, strict=True)]
    untouched = [torch.equal(new, old) for new, old in zip(found, PIXELS, strict=True)]
    assert all(one != other for one, other in zip(mirrored, untouched, strict=True))
    assert 20 < sum(mirrored) < 60


def test_an_image_is_shifted_in_every_direction_and_zeros_move_in() -> None:
    shifts = set()
    for new, old in zip(augmented(PIXELS, Augmentation(shift=1), 5), PIXELS, strict=True):
        padded = torch.nn.functional.pad(old, [1, 1, 1, 1])
        where = [(y, x) for y in range(3) for x in range(3) if torch.equal(new, padded[:, y : y + 8, x : x + 6])]
        assert len(where) == 1
        shifts.update(where)
    assert len(shifts) == 9


def test_cutout_blanks_at_most_one_square() -> None:
    found = augmented(PIXELS, Augmentation(cutout=3), 7)
    blank = (found == 0).all(1)
    assert torch.equal(torch.where(found == 0, PIXELS, found), PIXELS)
    counts = blank.sum((1, 2))
    assert 1 <= int(counts.min()) < int(counts.max()) == 9


def test_the_frames_of_one_recording_change_together() -> None:
    frames = PIXELS[:, :1].expand(-1, 4, -1, -1)[:, :, None]
    found = augmented(frames, Augmentation(mirror=True, shift=2, cutout=2), 9)
    assert found.shape == frames.shape
    assert found.dtype == frames.dtype
    assert all(torch.equal(found[:, 0], found[:, t]) for t in range(4))


def test_a_seed_means_the_same_images_and_another_does_not() -> None:
    everything = Augmentation(mirror=True, shift=2, cutout=2)
    first, again, other = (augmented(PIXELS, everything, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
