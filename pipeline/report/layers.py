"""The rows of the table of layers: what each population costs and does.

Comes in: a Report. Goes out: one row per population, with the weights that lead into it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.report.contract import Report


@dataclass(frozen=True)
class Layer:
    """One population with what leads into it."""

    name: str
    shape: str
    neurons: int
    weights: int
    #: Of those weights; several widths joined by a comma, empty where none lead into it.
    bits: str
    state_bytes: int
    state_bits: int
    #: Spikes per neuron and step, and per sample; None for the readout.
    rate: float | None
    spikes: float | None
    #: Additions that spikes into it cause, per sample.
    operations: float


def layers(report: Report) -> list[Layer]:
    """The rows in order; shared weights count where they appear first."""
    rows = []
    for population in report.network.populations:
        into = [c for c in report.network.connections if c.target == population.name]
        rates = report.activity.rates.get(population.name)
        rows.append(
            Layer(
                name=population.name,
                shape="×".join(str(length) for length in population.shape),
                neurons=population.neurons,
                weights=sum(c.parameters for c in into if not c.shared),
                bits=", ".join(str(bits) for bits in sorted({c.bits for c in into if c.bits is not None})),
                state_bytes=population.neurons * population.state_bits // 8,
                state_bits=population.state_bits,
                rate=sum(rates) / len(rates) if rates else None,
                spikes=sum(rates) * population.neurons if rates else None,
                operations=report.activity.operations.get(population.name, 0.0),
            )
        )
    return rows
