# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime."""
import onnxruntime


def get_version():
    return f"onnxruntime {onnxruntime.__version__}"


class Model:
    def __init__(self, path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            str(path), options, ["CPUExecutionProvider"])

    def run(self, x):
        return self.session.run(None, {"x": x})[0]
