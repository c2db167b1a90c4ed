"""Runs the network beside this file on Lava's fixed-point simulator:  python run_lava.py inputs.npy scores.npy

inputs.npy holds uint8 pixels [N, C, H, W] (or 0/1 spikes [N, T, ...] for a network with spiking input); scores.npy receives the
readout's membrane potentials, int64 [N, classes]. Needs the packages of requirements.txt, installed with --no-deps.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from lava_network import LavaNetwork

if __name__ == "__main__":
    network = LavaNetwork(Path(__file__).resolve().parent, np.load(sys.argv[1], allow_pickle=False))
    scores = network.scores()
    network.stop()
    np.save(sys.argv[2], scores)
    sys.stdout.write(f"classes: {scores.argmax(axis=1).tolist()}\n")
