"""Tests run natively (emulating a board is tested where it is meant, in `tests/targets/onnxruntime/test_emulated.py`), and a busy
machine is no reason for a property test to fail."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

os.environ["SPIKEPORT_QEMU"] = "off"
# A suite that a shell started in the background ignores Ctrl-C, and so would every program that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
