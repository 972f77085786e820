# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO; 8-bit weights are made by NNCF."""
import logging
import sys

import openvino


def get_version():
    return f"openvino {openvino.__version__.split('-')[0]}"


class Model:
    def __init__(self, path, threads, shape, int8=False, precision="f32"):
        core = openvino.Core()
        model = core.read_model(str(path))
        model.reshape(list(shape))
        if int8:
            import nncf
            nncf.set_log_level(logging.ERROR)
            sys.stdout, stdout = sys.stderr, sys.stdout  # for its bars
            model = nncf.compress_weights(
                model, mode=nncf.CompressWeightsMode.INT8_SYM)
            sys.stdout = stdout
        self.model = core.compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision})

    def run(self, x):
        return self.model([x])[0]
