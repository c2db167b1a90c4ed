"""The [loihi] table of a profile: how many chips and cores there are, and what a core holds."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveInt


class Settings(BaseModel):
    """One board. Figures are per core where their name says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Loihi 1 or 2.
    generation: Literal[1, 2]
    #: On the board or system.
    chips: PositiveInt
    #: Neurocores.
    cores_per_chip: PositiveInt
    #: Compartments that one core has.
    neurons_per_core: PositiveInt
    #: Loihi 2 splits this freely between synapses, axons and states; Loihi 1 has its synapse memory here.
    memory_per_core_bytes: PositiveInt
    #: Most neurons that one neuron of a dense layer may listen to: one input axon each, all on the neuron's core.
    input_axons_per_core: PositiveInt
    #: Most target cores of the neurons of a core, together.
    output_axons_per_core: PositiveInt
    #: Where the numbers of this table come from; (a choice) for a decision.
    source: str

    @property
    def cores(self) -> int:
        """Cores of all chips."""
        return self.chips * self.cores_per_chip
