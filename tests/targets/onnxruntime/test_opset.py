"""The file is the same network at every opset that the board loads, and says how it was made and how to feed it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from targets.network_file import digest
from targets.onnxruntime import names, running
from targets.onnxruntime.machine import natively
from targets.onnxruntime.onnx_file import write
from targets.onnxruntime.settings import Settings
from targets.profile import load_profile
from targets.reference import run
from tests.networks import NETWORKS, filled, inputs_for

PI = load_profile("raspberry_pi_5")
NETWORK = filled(NETWORKS["branching"](PI.neuron.neuron))


@pytest.mark.parametrize(("opset", "ir"), [(13, 7), (15, 8), (20, 9), (21, 10), (24, 12), (26, 13)])
def test_the_same_scores_at_every_opset(opset: int, ir: int, tmp_path: Path) -> None:
    settings = Settings.model_validate({**PI.settings.model_dump(), "export_opset": opset})
    path = write(NETWORK, tmp_path, PI.name, settings)["whole"]
    model = onnx.load(path)
    assert (model.opset_import[0].version, model.ir_version) == (opset, ir)
    inputs = inputs_for(NETWORK, 2)
    recorded = running.outputs(natively(PI).settings, path, inputs, 1, tmp_path)
    np.testing.assert_array_equal(recorded[names.SCORES].reshape(2, -1), run(NETWORK, inputs).scores)


def test_the_file_explains_itself(tmp_path: Path) -> None:
    for form, path in write(NETWORK, tmp_path, PI.name).items():
        model = onnx.load(path)
        about = {entry.key.removeprefix("spikeport."): entry.value for entry in model.metadata_props}
        assert (about["form"], about["profile"], about["network"]) == (form, PI.name, digest(NETWORK))
        assert (about["classes"], about["timesteps"]) == (str(NETWORK.readout.size), str(NETWORK.timesteps))
        assert (
            about["normalisation"].startswith("none")
            and "uint8" in about["input"]
            and "zero point 128" in about["weights"]
        )
        assert json.loads(about["arithmetic"]).keys() == {population.name for population in NETWORK.populations}
        named = about["feed"].split("`")[1::2]
        assert named and set(named) <= {entry.name for entry in (*model.graph.input, *model.graph.output)}
