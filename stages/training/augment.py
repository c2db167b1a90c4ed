"""Augmentation: mirrored, shifted and partly covered images, the same for the same seed and step.

Comes in: a batch of images, how far to go, a seed. Goes out: a batch of the same shape and type. Event frames of one sample
change together, as one recording does.

Mirroring and shifting are one gather of rows and columns. Method: random crops of padded images and mirroring as in He et al.
2016 (arXiv 1512.03385), cutout of DeVries and Taylor 2017 (arXiv 1708.04552).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from stages.training.plan import Augmentation


def augmented(images: Tensor, how: Augmentation, seed: int) -> Tensor:
    """Each image of a batch changed on its own.

    Args:
        images: [N, ..., H, W] of any type.
        how: What may change.
        seed: Decides everything.
    """
    if not how.changes:
        return images
    random = torch.Generator().manual_seed(seed)
    moved = _moved(images.flatten(1, -3), how, random)
    if how.cutout:
        moved = moved * _uncovered(moved, how.cutout, random)
    return moved.view_as(images)


def _moved(images: Tensor, how: Augmentation, random: torch.Generator) -> Tensor:
    """[N, C, H, W] mirrored and shifted. Chance is drawn on the CPU, so that it is the same for every device."""
    samples, _, height, width = images.shape
    device = images.device
    down, right = torch.randint(0, 2 * how.shift + 1, (2, samples, 1), generator=random)
    mirrored = torch.rand((samples, 1), generator=random) < 0.5 * how.mirror
    rows, columns = torch.arange(height) + down, torch.arange(width).expand(samples, width)
    columns = torch.where(mirrored, width - 1 - columns, columns) + right
    rows, columns = rows.to(device), columns.to(device)
    padded = pad(images, [how.shift] * 4)
    sample = torch.arange(samples, device=device)[:, None, None]
    # channels are indexed last, so the gather copies whole pixels; the network wants them first
    chosen = padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]]
    return chosen.permute(0, 3, 1, 2).contiguous()


def _uncovered(images: Tensor, edge: int, random: torch.Generator) -> Tensor:
    """[N, 1, H, W]: 0 in a square around a random pixel, 1 elsewhere."""
    samples, _, height, width = images.shape
    row = torch.randint(0, height, (samples, 1, 1, 1), generator=random)
    column = torch.randint(0, width, (samples, 1, 1, 1), generator=random)
    above, left = row - edge // 2, column - edge // 2
    down, right = torch.arange(height)[:, None], torch.arange(width)
    covered = (down >= above) & (down < above + edge) & (right >= left) & (right < left + edge)
    return (~covered).to(images.device, images.dtype)
