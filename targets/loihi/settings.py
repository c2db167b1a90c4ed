"""The [loihi] table of a profile: how many chips and cores there are, and what a core holds."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveInt


class Settings(BaseModel):
    """One board. Figures are per core where their name says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generation: Literal[1, 2]
    chips: PositiveInt
    cores_per_chip: PositiveInt
    neurons_per_core: PositiveInt
    #: Loihi 2 splits this freely between synapses, axons and states; Loihi 1 has its synapse memory here.
    memory_per_core_bytes: PositiveInt
    #: Most neurons that one neuron of a dense layer may listen to: one input axon each, all on the neuron's core.
    input_axons_per_core: PositiveInt
    output_axons_per_core: PositiveInt
    source: str

    @property
    def cores(self) -> int:
        """Cores of all chips."""
        return self.chips * self.cores_per_chip
