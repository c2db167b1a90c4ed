"""Tests run natively: emulating a board is tested where it is meant, in `tests/targets/onnxruntime/test_emulated.py`."""

from __future__ import annotations

import os

os.environ["SPIKEPORT_QEMU"] = "off"
