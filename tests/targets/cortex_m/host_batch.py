"""Runs many exported networks in one program on this computer, under the compiler's address and undefined-behaviour sanitizers.

Comes in: networks with profiles. Goes out: what every neuron of each does in every step. The kernels are compiled once and every
model once, unchanged: the names snn_model and snn_scores, of which a program has one each, become a pointer for the kernels
and a numbered symbol for each model.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from targets.cortex_m.estimate import planned
from targets.cortex_m.export import export
from targets.cortex_m.frames import SPIKE, frames_of, recorded
from targets.cortex_m.platform import LIBRARY, platform_for
from targets.network import Network
from targets.profile import Profile
from targets.reference import run

KERNELS = ("snn_run.c", "snn_scatter.c", "snn_deliver.c", "snn_neurons.c")
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DSNN_TRACE")
_MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include "snn_kernels.h"
const struct snn_model_data *snn_model_now;
int32_t (*snn_scores_now)[];
{declared}
static const struct snn_model_data *const models[] = {{{models}}};
static int32_t *const scores[] = {{{scores}}};

/* For each model: bytes of an input, inputs, values recorded of one; then the inputs. */
int main(void) {{
    uint32_t sizes[3];
    for (unsigned i = 0; i < sizeof models / sizeof models[0]; i++) {{
        if (fread(sizes, sizeof sizes, 1, stdin) != 1) {{
            return 2;
        }}
        uint8_t *input = malloc(sizes[0]);
        int32_t *trace = malloc(sizes[2] * sizeof *trace);
        snn_model_now = models[i];
        snn_scores_now = (int32_t(*)[])scores[i];
        for (uint32_t sample = 0; sample < sizes[1]; sample++) {{
            snn_trace_cursor = trace;
            if (fread(input, sizes[0], 1, stdin) != 1) {{
                return 2;
            }}
            (void)snn_classify(input);
            if (snn_trace_cursor - trace != sizes[2] || fwrite(trace, sizeof *trace, sizes[2], stdout) != sizes[2] ||
                fwrite(scores[i], sizeof(int32_t), snn_model_now->classes, stdout) != snn_model_now->classes) {{
                return 3;
            }}
        }}
        free(input);
        free(trace);
    }}
    return 0;
}}
"""


@dataclass(frozen=True)
class Case:
    """A network on a board, with inputs."""

    network: Network
    profile: Profile
    inputs: NDArray[np.uint8]


def compiler() -> str | None:
    """This computer's compiler, None where there is none."""
    return shutil.which("gcc")


def differences(cases: Sequence[Case], folder: Path) -> list[int]:
    """How many spikes, membrane potentials and scores of each case differ from the reference.

    Raises:
        RuntimeError: something does not build, or a sanitizer stops the program; the message is its output.
    """
    plans = [planned(c.network, c.profile, platform_for("zig", c.profile.settings.core)[0]) for c in cases]
    program, sent = _built(cases, folder), b""
    for case, plan in zip(cases, plans, strict=True):
        samples = [b"".join(frames_of(plan, sample)) for sample in case.inputs]
        values = case.network.timesteps * sum(p.size for p in case.network.populations)
        sent += struct.pack("<III", len(samples[0]), len(samples), values) + b"".join(samples)
    received, position, result = np.frombuffer(_output([str(program)], sent), "<i4"), 0, []
    for case, plan in zip(cases, plans, strict=True):
        expected, count = run(case.network, case.inputs), len(case.inputs)
        values = case.network.timesteps * sum(p.size for p in case.network.populations)
        whole = values + case.network.readout.size
        own = received[position : position + count * whole].reshape(count, whole)
        position += count * whole
        neurons = recorded(plan, list(own[:, :values]))
        wrong = int((own[:, values:] != expected.scores).sum())
        wrong += sum(int(((neurons[n] == SPIKE) != spikes).sum()) for n, spikes in expected.spikes.items())
        for name, membranes in expected.membranes.items():
            wrong += int((np.where(neurons[name] == SPIKE, 0, neurons[name]) != membranes).sum())
        result.append(wrong)
    return result


def _built(cases: Sequence[Case], folder: Path) -> Path:
    """The program; models hold data only and are compiled without sanitizing their initializers."""
    objects = []
    renamed = ["-Dsnn_model=(*snn_model_now)", "-Dsnn_scores=(*snn_scores_now)"]
    for name in KERNELS:
        objects.append(folder / f"{name}.o")
        _output(["gcc", *STRICT, *SANITIZED, *renamed, "-c", str(LIBRARY / name), "-o", str(objects[-1])])
    for index, case in enumerate(cases):
        home = folder / f"network{index}"
        export(case.network, case.profile, home)
        objects.append(folder / f"model{index}.o")
        names = [f"-Dsnn_model=snn_model_{index}", f"-Dsnn_scores=snn_scores_{index}"]
        source = str(home / "src/snn_model.c")
        _output(["gcc", *STRICT, *SANITIZED, *names, f"-I{home / 'src'}", "-c", source, "-o", str(objects[-1])])
    numbers = range(len(cases))
    declared = "\n".join(
        f"extern const struct snn_model_data snn_model_{i};\nextern int32_t snn_scores_{i}[];" for i in numbers
    )
    models, scores = (", ".join(f"{prefix}{i}" for i in numbers) for prefix in ("&snn_model_", "snn_scores_"))
    main, program = folder / "main.c", folder / "program"
    main.write_text(_MAIN.format(declared=declared, models=models, scores=scores))
    _output(["gcc", *SANITIZED, *renamed, f"-I{LIBRARY}", str(main), *(str(o) for o in objects), "-o", str(program)])
    return program


def _output(command: Sequence[str], sent: bytes = b"") -> bytes:
    done = subprocess.run(command, input=sent, capture_output=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed ({done.returncode}):\n{done.stderr.decode()[-4000:]}")
    return done.stdout
