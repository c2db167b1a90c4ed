"""Which functions of the kernel library a network needs, and who calls them: what the linker keeps, and how deep the stack gets.

Comes in: lowered layers and a schedule. Goes out: Parts, whose names are those of C functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from targets.cortex_m.lowering import Layer
from targets.cortex_m.schedule import Schedule, has_feedback
from targets.network import Network

READ_PIXELS, KEEP_CURRENT, FUSE_POOL, DELAY = (
    "snn_read_pixels",
    "snn_keep_current",
    "snn_fuse_pool",
    "snn_delay_spikes",
)
"""Parts of the driver that the model data points to where it needs them."""


@dataclass(frozen=True)
class Parts:
    """C functions that descriptors point to, by the function that calls them through a pointer."""

    #: Neurons and optional parts of the driver, called by `run`.
    run: frozenset[str]
    #: Synaptic kernels, called by `arrive` for a spike.
    for_spikes: frozenset[str]
    #: Synaptic kernels, called by `arrive` for a pixel, on behalf of snn_read_pixels.
    for_pixels: frozenset[str]

    @property
    def symbols(self) -> frozenset[str]:
        """All of them."""
        return self.run | self.for_spikes | self.for_pixels | ({READ_PIXELS} if self.for_pixels else set())

    def paths(self) -> Iterable[Mapping[str, frozenset[str]]]:
        """Calls through pointers, caller to called: once for spikes, once for pixels."""
        yield {"run": self.run, "arrive": self.for_spikes}
        if self.for_pixels:
            yield {"run": self.run, "arrive": self.for_pixels, "snn_scatter": frozenset({READ_PIXELS})}


def parts_of(network: Network, layers: Iterable[Layer], schedule: Schedule | None = None) -> Parts:
    """The parts that a schedule needs; without one, those that every schedule of the layers needs."""
    links = [(link, link.from_pixels(network)) for layer in layers for link in layer.links]
    driver = {layer.neurons for layer in layers}
    if has_feedback(network):
        driver.add(DELAY)
    if schedule is not None and schedule.keeps_current:
        driver.add(KEEP_CURRENT)
    if schedule is not None and schedule.fused:
        driver.add(FUSE_POOL)
    return Parts(
        frozenset(driver),
        frozenset(link.kernel for link, pixels in links if not pixels),
        frozenset(link.kernel for link, pixels in links if pixels),
    )
