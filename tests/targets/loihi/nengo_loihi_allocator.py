"""Runs in an environment with nengo-loihi and NumPy 1, never in spikeport's: cores that nengo-loihi gives chains of layers.

Comes in: JSON on standard input, a list of chains {bits, layers: [{kind, kernel, stride, padding, shape}]}, first layer the
source. Goes out: JSON, for each chain the cores and synapse bits by layer, or the error that the builder raised.
"""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import nengo  # noqa: E402
import nengo_loihi  # noqa: E402
import numpy as np  # noqa: E402
from nengo_loihi.block import SynapseConfig  # noqa: E402
from nengo_loihi.builder import network as building  # noqa: E402


def allocate(chain: dict) -> dict:
    """Cores and synapse bits of every layer, as nengo-loihi packs them."""
    bits = SynapseConfig.WEIGHT_BITS_MAP.index(chain["bits"])
    found: dict = {}
    original = building.split_model

    def split(model):
        for block in model.blocks:
            for synapse in block.synapses:
                synapse.format(weight_bits=bits)
        found["synapse_bits"] = [sum(synapse.bits() for synapse in block.synapses) for block in model.blocks]
        parts = original(model)
        found["cores"] = [len(blocks) for blocks in parts.values()]
        return parts

    building.split_model = split
    try:
        with nengo_loihi.Simulator(_network(chain["layers"]), precompute=True, target="sim"):
            return found
    except nengo.exceptions.BuildError as error:
        return {"error": str(error)}
    finally:
        building.split_model = original


def _network(layers: list) -> nengo.Network:
    with nengo.Network(seed=0) as network:
        nengo_loihi.add_params(network)
        groups = []
        for index, layer in enumerate(layers):
            size = int(np.prod(layer["shape"]))
            groups.append(
                nengo.Ensemble(
                    size,
                    1,
                    neuron_type=nengo_loihi.neurons.LoihiSpikingRectifiedLinear(),
                    gain=np.ones(size),
                    bias=np.zeros(size),
                    label=f"layer{index}",
                )
            )
        for index, layer in enumerate(layers[1:], start=1):
            nengo.Connection(
                groups[index - 1].neurons,
                groups[index].neurons,
                transform=_transform(layers[index - 1]["shape"], layer),
                synapse=None,
            )
    return network


def _transform(source: list, layer: dict):
    if layer["kind"] == "dense":
        return np.random.default_rng(0).uniform(-1, 1, (int(np.prod(layer["shape"])), int(np.prod(source))))
    channels, rows, columns = source
    return nengo.Convolution(
        n_filters=layer["shape"][0],
        input_shape=(rows, columns, channels),
        kernel_size=(layer["kernel"],) * 2,
        strides=(layer["stride"],) * 2,
        padding="same" if layer["padding"] else "valid",
    )


if __name__ == "__main__":
    json.dump([allocate(chain) for chain in json.load(sys.stdin)], sys.stdout)
