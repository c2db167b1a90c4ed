"""The exported files as files: equal bytes, what they say about themselves, what is refused when they are damaged."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest

from targets.errors import ConfigurationError, SpikeportError, UnsupportedOperationError
from targets.onnxruntime.artifact import read_model
from targets.onnxruntime.checksums import write_sums
from targets.onnxruntime.execute import execute
from targets.onnxruntime.export import export
from targets.onnxruntime.lowering import lower
from targets.onnxruntime.measure import measure
from targets.onnxruntime.names import FORMS
from targets.onnxruntime.settings import IR, OPSET
from targets.profile import Profile
from tests.networks import NETWORKS, branching, chain, feedback, filled, inputs_for


@pytest.mark.parametrize("name", NETWORKS)
def test_equal_networks_give_equal_bytes(name: str, tmp_path: Path, nano: Profile) -> None:
    contents = []
    for folder in ("one", "two"):
        paths = export(filled(NETWORKS[name]()), nano, tmp_path / folder)
        assert {"board", "checksums", "step", "whole"} < paths.keys()
        contents.append([path.read_bytes() for path in paths.values()])
    assert contents[0] == contents[1]


def test_structure_does_not_depend_on_values() -> None:
    for form in ("step", "whole"):
        empty, trained = lower(branching(), form), lower(filled(branching()), form)
        assert empty.nodes == trained.nodes
        assert empty.tensors == trained.tensors


def test_a_network_without_values_is_refused(tmp_path: Path, nano: Profile) -> None:
    with pytest.raises(ConfigurationError, match="shapes only"):
        export(chain(), nano, tmp_path)


def test_files_stay_below_the_ceilings_and_explain_themselves(tmp_path: Path, nano: Profile) -> None:
    paths = export(filled(feedback()), nano, tmp_path)
    for form in FORMS:
        model = onnx.load(paths[form])
        assert model.opset_import[0].version == OPSET <= nano.settings.opset
        assert model.ir_version == IR <= nano.settings.ir
        about = {entry.key: entry.value for entry in model.metadata_props}
        assert about["spikeport.form"] == form
        assert about["spikeport.classes"] == "3"
        assert json.loads(about["spikeport.class_names"]) == ["0", "1", "2"]
        assert "trunc0" in json.loads(about["spikeport.arithmetic"])["first"]
        assert "`input`" in about["spikeport.feed"]


def test_the_file_names_its_classes(tmp_path: Path, nano: Profile) -> None:
    network = filled(feedback())
    sizes = set()
    for names in ([], ["cat", "dog", "möhre"], ["n" * 500, "", '"\\n']):
        path = export(network, nano, tmp_path / str(len(sizes)), names)["whole"]
        text = {e.key: e.value for e in onnx.load(path).metadata_props}["spikeport.class_names"]
        assert len(json.loads(text)) == 3 and (
            len(max(names, default="")) > 24 or not names or json.loads(text) == names
        )
        sizes.add(path.stat().st_size)
    assert len(sizes) == 1, "the memory of a file may not depend on names"
    with pytest.raises(ConfigurationError, match="2 names for 3 classes"):
        export(network, nano, tmp_path / "few", ["cat", "dog"])


def test_weights_are_stored_once(tmp_path: Path, nano: Profile) -> None:
    network = filled(chain())
    size = export(network, nano, tmp_path)["whole"].stat().st_size
    stored = [c for c in lower(network, "whole").constants if c.tensor.name.endswith(".weight")]
    assert sum(constant.tensor.size_bytes for constant in stored) == network.parameters
    assert size < network.parameters + 30_000


def test_the_step_runs_as_its_metadata_says(tmp_path: Path, nano: Profile) -> None:
    """The whole of what a user has to write, from the file alone."""
    import numpy as np

    network = filled(feedback())
    inputs = inputs_for(network, 1)
    export(network, nano, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "step.onnx", providers=["CPUExecutionProvider"])
    types = {"tensor(uint8)": np.uint8, "tensor(int32)": np.int32}
    fed = {i.name: np.zeros(i.shape, types[i.type]) for i in session.get_inputs()}
    names = [output.name for output in session.get_outputs()]
    for spikes in inputs[0]:
        fed["input"] = spikes.reshape(fed["input"].shape)
        after = dict(zip(names, session.run(names, fed), strict=True))
        fed |= {name.removesuffix(".next"): value for name, value in after.items()}
    expected = execute(tmp_path, network, nano, inputs).scores
    assert np.array_equal(fed["readout.membrane"].reshape(1, -1), expected)


@pytest.mark.parametrize(("field", "value", "said"), [("opset", 14, "opset 14"), ("ir", 8, "IR version 8")])
def test_a_file_above_a_ceiling_is_refused_by_name(
    field: str, value: int, said: str, tmp_path: Path, nano: Profile
) -> None:
    path = export(filled(chain()), nano, tmp_path)["step"]
    model = onnx.load(path)
    if field == "opset":
        model.opset_import[0].version = value
    else:
        model.ir_version = value
    path.write_bytes(model.SerializeToString())
    read_model(path, nano.settings)
    lower_ceiling = nano.settings.model_copy(update={field: value - 1})
    with pytest.raises(UnsupportedOperationError, match=said) as refused:
        read_model(path, lower_ceiling)
    assert "step.onnx" in refused.value.message


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def nonsense(content: bytes) -> bytes:
    return b"\xff" * len(content)


def other_operator(content: bytes) -> bytes:
    return content.replace(b"ConvInteger", b"ConvIntegeR")


@pytest.mark.parametrize("damage", [truncated, nonsense, other_operator, lambda content: b""])
@pytest.mark.parametrize("form", ["step", "whole"])
def test_a_damaged_file_is_one_clear_line(form: str, damage: Any, tmp_path: Path, nano: Profile) -> None:
    network = filled(chain())
    path = export(network, nano, tmp_path)[form]
    path.write_bytes(damage(path.read_bytes()))
    write_sums(tmp_path, [tmp_path / "step.onnx", tmp_path / "whole.onnx"])
    with pytest.raises(SpikeportError) as refused:
        execute(tmp_path, network, nano, inputs_for(network))
    assert "\n" not in refused.value.message
    assert f"{form}.onnx" in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("form", FORMS)
def test_one_byte_altered_after_the_export_is_refused_by_name(form: str, tmp_path: Path, nano: Profile) -> None:
    network = filled(chain())
    path = export(network, nano, tmp_path)[form]
    content = bytearray(path.read_bytes())
    content[content.index(b"first.w") if b"first.w" in content else len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    for use in (
        lambda: execute(tmp_path, network, nano, inputs_for(network)),
        lambda: measure(tmp_path, network, nano),
    ):
        with pytest.raises(ConfigurationError, match=rf"{form}\.onnx was altered"):
            use()


def test_the_checksums_are_those_of_coreutils(tmp_path: Path, nano: Profile) -> None:
    export(filled(chain()), nano, tmp_path)
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_a_missing_file_is_one_clear_line(tmp_path: Path, nano: Profile) -> None:
    with pytest.raises(ConfigurationError, match=r"SHA256SUMS: cannot be read"):
        execute(tmp_path, filled(chain()), nano, inputs_for(chain()))
