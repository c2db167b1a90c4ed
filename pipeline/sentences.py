"""What each stage found, in one sentence for the terminal."""

from __future__ import annotations

from pydantic import BaseModel

from stages.analyze import Analysis
from stages.export import Exported
from stages.quantize import Quantized
from stages.search import SearchResult
from stages.verify import Verification
from targets.sizes import format_size


def sentence(result: BaseModel) -> str:
    """The sentence of any stage's result."""
    match result:
        case Analysis():
            dropped = [effect.operation for effect in result.effects if effect.operation not in result.kept]
            return f"keeps {', '.join(result.kept)}" + (f"; drops {', '.join(dropped)}" if dropped else "")
        case SearchResult():
            a = result.architecture
            cells = f"{len(a.cells)} cell{'s' if len(a.cells) > 1 else ''} of {a.channels} channels, {a.weight_bits}-bit weights"
            return (
                f"{cells}; {result.candidates_considered:,} considered, {result.candidates_over_budget:,} over budget"
            )
        case Quantized():
            real, integer = result.float_network.test_accuracy, result.integer_network.test_accuracy
            return f"test accuracy {integer:.1%} in integers, {real:.1%} in float"
        case Exported():
            return ", ".join(f"{name} ({format_size(file.size_bytes)})" for name, file in result.files.items())
        case Verification():
            parity = result.parity
            within = sum(row.ok for row in result.footprint)
            return (
                f"{parity.spikes_differing:,} of {parity.spikes_compared:,} spikes differ; "
                f"{within} of {len(result.footprint)} memory terms as estimated"
            )
        case _:
            return ""
