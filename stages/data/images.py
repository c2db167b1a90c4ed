"""Image files as arrays: Pillow reads them, and every file that is not a plain image is named instead of dropped.

Comes in: paths. Goes out: uint8 [N, C, H, W], or one line for each file that cannot be used.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.data.files import refuse
from targets.errors import ConfigurationError

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "BMP", "PPM", "WEBP", "TIFF", "GIF")
#: Pillow's modes of 8 bits a channel or less, and the channels that an image of them has here.
_CHANNELS = {"1": 1, "L": 1, "P": 3, "RGB": 3, "RGBA": 3, "CMYK": 3, "YCbCr": 3, "LA": 1}
#: More than this is refused before memory runs out; images are held as bytes, all at once.
_MOST_BYTES = 16 * 2**30
#: What Pillow raises for files that are cut off, damaged, absurdly large or no images.
_UNREADABLE = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError),
    *(RuntimeError, MemoryError, struct.error, zlib.error),
)

_T = TypeVar("_T")


@dataclass(frozen=True)
class Shape:
    """Channels, rows and columns of images."""

    channels: int
    rows: int
    columns: int


def common_shape(dataset: str, paths: Sequence[Path], edge: int | None) -> Shape:
    """The shape that all images have, or are cut and scaled to where `edge` says so; grey only if all of them are.

    Raises:
        ConfigurationError: files are no images, or their sizes differ and no edge is given; names the first ones.
    """
    shapes = _all(dataset, paths, _shape)
    channels = max((shape.channels for shape in shapes), default=1)
    rows, columns = (edge, edge) if edge else (shapes[0].rows, shapes[0].columns)
    if not edge:
        size = f"{columns}x{rows}, as {paths[0]} has"
        problems = [
            f"{path}: {shape.columns}x{shape.rows} pixels instead of {size}"
            for path, shape in zip(paths, shapes, strict=True)
            if (shape.rows, shape.columns) != (rows, columns)
        ]
        refuse(
            dataset, problems, f"scale them to one size, or use --dataset {dataset}@64 to cut and scale them to 64x64"
        )
    return Shape(channels, rows, columns)


def read_images(dataset: str, paths: Sequence[Path], shape: Shape, *, scale: bool = False) -> NDArray[np.uint8]:
    """The images as [N, C, H, W]; with `scale` they are cut to the shape's proportions about their centre and scaled.

    Raises:
        ConfigurationError: files are no images, are cut off, or have another size; names the first ones.
    """
    needed = len(paths) * shape.channels * shape.rows * shape.columns
    if needed > _MOST_BYTES:
        raise ConfigurationError(
            f"dataset {dataset}: {len(paths)} images of {shape.columns}x{shape.rows} pixels take {needed / 2**30:.0f} GiB",
            f"use smaller images, for example --dataset {dataset.partition('@')[0]}@64",
        )
    images = np.empty((len(paths), shape.channels, shape.rows, shape.columns), np.uint8)
    index_of = {path: index for index, path in enumerate(paths)}

    def read(path: Path) -> None:
        images[index_of[path]] = _pixels(path, shape, scale=scale)

    _all(dataset, paths, read)
    return images


def _all(dataset: str, paths: Sequence[Path], work: Callable[[Path], _T]) -> list[_T]:
    """The results for all files in their order, worked on in threads: Pillow decodes outside of the interpreter's lock."""

    def attempt(path: Path) -> _T | ConfigurationError:
        try:
            return work(path)
        except ConfigurationError as error:
            return error

    results, problems = [], []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for result in pool.map(attempt, paths):
            if isinstance(result, ConfigurationError):
                problems.append(result.message)
            else:
                results.append(result)
    refuse(dataset, problems, "repair or remove these files")
    return results


def _shape(path: Path) -> Shape:
    """The file's shape from its header alone."""
    return _with_image(path, lambda image: Shape(_CHANNELS[image.mode], image.height, image.width))


def _pixels(path: Path, shape: Shape, *, scale: bool) -> NDArray[np.uint8]:
    def pixels(image: Image) -> NDArray[np.uint8]:
        from PIL import Image as pillow
        from PIL import ImageOps

        if not scale and image.size != (shape.columns, shape.rows):
            raise ConfigurationError(
                f"{path}: {image.width}x{image.height} pixels instead of {shape.columns}x{shape.rows}"
            )
        if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] != 255:
            raise ConfigurationError(f"{path}: partly transparent, which has no meaning here")
        plain = image.convert("L" if shape.channels == 1 else "RGB")
        if scale:
            plain = ImageOps.fit(plain, (shape.columns, shape.rows), pillow.Resampling.BICUBIC)
        return np.asarray(plain).reshape(shape.rows, shape.columns, shape.channels).transpose(2, 0, 1)

    return _with_image(path, pixels)


def _with_image(path: Path, work: Callable[[Image], _T]) -> _T:
    """What `work` makes of the opened image, with every way in which Pillow refuses a file as one line."""
    from PIL import Image as pillow
    from PIL import UnidentifiedImageError

    try:
        with pillow.open(path, formats=_FORMATS) as image:
            if image.mode not in _CHANNELS:
                raise ConfigurationError(f"{path}: has pixels of mode {image.mode}, not of 8 bits a channel")
            if getattr(image, "n_frames", 1) != 1:
                raise ConfigurationError(f"{path}: has {getattr(image, 'n_frames', 1)} frames, not one image")
            return work(image)
    except UnidentifiedImageError as error:
        raise ConfigurationError(f"{path}: not an image of {', '.join(_FORMATS)}") from error
    except (*_UNREADABLE, pillow.DecompressionBombError) as error:
        raise ConfigurationError(f"{path}: truncated or damaged image ({error})") from error
