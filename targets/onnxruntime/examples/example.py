"""Classifies inputs with the file beside this one:  python example.py inputs.npy  (uint8 [N, ...], see its metadata)."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(str(Path(__file__).with_name("whole.onnx")), providers=["CPUExecutionProvider"])
names = json.loads(session.get_modelmeta().custom_metadata_map["spikeport.class_names"])
fed = session.get_inputs()[0]
for sample in np.load(sys.argv[1], allow_pickle=False):
    scores = session.run(["scores"], {fed.name: sample.reshape(fed.shape)})[0][0]
    sys.stdout.write(f"{names[scores.argmax()]}: {' '.join(map(str, scores))}\n")
