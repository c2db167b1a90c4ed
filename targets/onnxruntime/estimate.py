"""The heap that the exported network needs, from shapes and bits alone: no torch, no onnx, no runtime is imported.

Goes in: a network, with or without values, and the profile. Comes out: a Footprint of four moments, of which the board sees
one at a time: loading and running either file. All figures are above the control network, as those of `measure` are.
"""

from __future__ import annotations

from targets.footprint import Footprint, Term
from targets.network import Network
from targets.onnxruntime.calibration import constants_of
from targets.onnxruntime.heap_model import Constants, Heap, heap
from targets.onnxruntime.lowering import lower
from targets.onnxruntime.names import FORMS, Form
from targets.profile import Profile


def estimate(network: Network, profile: Profile) -> Footprint:
    """Peaks of loading and running `whole.onnx` and `step.onnx`, for the profile's runtime.

    Raises:
        ToolMissingError: that runtime was never calibrated.
    """
    runtime = profile.settings.runtime
    constants = constants_of(runtime)
    peaks = {form: above_control(network, form, constants) for form in FORMS}
    return Footprint(footprint_terms(peaks, profile), "estimated", {"onnxruntime": str(runtime)})


def above_control(network: Network, form: Form, constants: Constants) -> Heap:
    """Peaks of one form, less those of the control network."""
    return heap(lower(network, form), constants) - constants.control[form]


def footprint_terms(peaks: dict[Form, Heap], profile: Profile) -> tuple[Term, ...]:
    """The terms of a footprint, estimated or measured; each is a moment of its own."""
    region = next(name for name, memory in profile.memory.items() if memory.kind == "ram")
    terms = []
    for form, peak in peaks.items():
        for moment, size in ((f"loading {form}", peak.load_bytes), (f"running {form}", peak.run_bytes)):
            terms.append(Term(f"{form} {moment.split()[0]}", region, size, moment))
    return tuple(terms)
