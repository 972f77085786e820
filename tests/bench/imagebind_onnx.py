#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""The image tower of ImageBind-huge, from its published architecture and with
random weights, in ONNX Runtime (f32, dynamic int8) and OpenVINO (f32, int8
weights): seconds of an image, medians, in turn.

usage: imagebind_onnx.py [--blocks N] [--batch N] [--threads N] [--runs N]
                         [--folder DIR]
Needs numpy, onnx, onnxruntime; openvino and nncf where they are.
"""
import argparse
import pathlib
import statistics
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEADS, TOKENS, EMBEDDING = 1280, 16, 257, 1024


class Graph:
    """Nodes and weights in the making."""

    def __init__(self):
        self.nodes, self.weights = [], []
        self.random = np.random.default_rng(1)

    def add(self, kind, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name],
                                           name=f"{kind}_{name}",
                                           **attributes))
        return name

    def constant(self, values):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def floats(self, *shape, scale=0.02, centre=0.0):
        values = self.random.standard_normal(shape, dtype=np.float32)
        return self.constant(values * np.float32(scale) + np.float32(centre))

    def linear(self, x, columns, rows):
        x = self.add("MatMul", x, self.floats(columns, rows,
                                              scale=columns ** -0.5))
        return self.add("Add", x, self.floats(rows))

    def norm(self, x):
        return self.add("LayerNormalization", x,
                        self.floats(WIDTH, centre=1.0), self.floats(WIDTH),
                        axis=-1, epsilon=1e-6)

    def split_heads(self, x, order):
        shape = self.constant(np.array([0, TOKENS, HEADS, WIDTH // HEADS]))
        return self.add("Transpose", self.add("Reshape", x, shape), perm=order)

    def attend(self, x):
        qkv = self.linear(x, WIDTH, 3 * WIDTH)
        names = [f"q{len(self.nodes)}", f"k{len(self.nodes)}",
                 f"v_{len(self.nodes)}"]
        self.nodes.append(helper.make_node(
            "Split", [qkv, self.constant(np.array([WIDTH] * 3))], names,
            axis=-1))
        q = self.split_heads(names[0], [0, 2, 1, 3])
        k = self.split_heads(names[1], [0, 2, 3, 1])
        v = self.split_heads(names[2], [0, 2, 1, 3])
        scale = self.constant(np.float32((WIDTH // HEADS) ** -0.5))
        scores = self.add("MatMul", self.add("Mul", q, scale), k)
        out = self.add("MatMul", self.add("Softmax", scores, axis=-1), v)
        out = self.add("Transpose", out, perm=[0, 2, 1, 3])
        out = self.add("Reshape", out,
                       self.constant(np.array([0, TOKENS, WIDTH])))
        return self.linear(out, WIDTH, WIDTH)

    def gelu(self, x):
        half = self.add("Mul", x, self.constant(np.float32(0.5 ** 0.5)))
        erf = self.add("Add", self.add("Erf", half),
                       self.constant(np.float32(1)))
        return self.add("Mul", self.add("Mul", x, erf),
                        self.constant(np.float32(0.5)))

    def block(self, x):
        x = self.add("Add", x, self.attend(self.norm(x)))
        hidden = self.gelu(self.linear(self.norm(x), WIDTH, 4 * WIDTH))
        return self.add("Add", x, self.linear(hidden, 4 * WIDTH, WIDTH))


def write_model(path, blocks):
    """A picture (batch, 3, 224, 224), its two frames summed, to (batch,
    EMBEDDING)."""
    g = Graph()
    x = g.add("Conv", "image", g.floats(WIDTH, 3, 14, 14), strides=[14, 14])
    x = g.add("Reshape", x, g.constant(np.array([0, WIDTH, TOKENS - 1])))
    x = g.add("Transpose", x, perm=[0, 2, 1])
    # A class token in front: a row of zeros, and positions are added.
    pads = g.constant(np.array([0, 1, 0, 0, 0, 0]))
    x = g.add("Add", g.add("Pad", x, pads), g.floats(1, TOKENS, WIDTH))
    x = g.norm(x)
    for _ in range(blocks):
        x = g.block(x)
    x = g.add("Gather", x, g.constant(np.array(0)), axis=1)
    x = g.add("MatMul", g.norm(x), g.floats(WIDTH, EMBEDDING))
    g.nodes.append(helper.make_node("Identity", [x], ["out"]))
    graph = helper.make_graph(
        g.nodes, "vision",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT,
                                       ["n", 3, 224, 224])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT,
                                       ["n", EMBEDDING])], g.weights)
    model = helper.make_model(graph,
                              opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save_model(model, path, save_as_external_data=True,
                    location=path.name + ".data")


def make_onnxruntime(path, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options,
                                           ["CPUExecutionProvider"])
    return lambda x: session.run(None, {"image": x})[0]


def make_openvino(path, threads, int8):
    import openvino
    core = openvino.Core()
    model = core.read_model(str(path))
    if int8:
        import nncf
        model = nncf.compress_weights(
            model, mode=nncf.CompressWeightsMode.INT8_SYM)
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: compiled([x])[0]


def make_peers(args, folder):
    path = folder / f"vision_{args.blocks}.onnx"
    small = folder / f"vision_{args.blocks}_int8.onnx"
    if not path.exists():
        write_model(path, args.blocks)
    peers = {"onnxruntime f32": make_onnxruntime(path, args.threads)}
    if not small.exists():
        from onnxruntime.quantization import QuantType, quantize_dynamic
        quantize_dynamic(path, small, weight_type=QuantType.QInt8,
                         per_channel=True, use_external_data_format=True,
                         op_types_to_quantize=["MatMul"])
    peers["onnxruntime int8"] = make_onnxruntime(small, args.threads)
    for name, int8 in (("openvino f32", False), ("openvino int8", True)):
        try:
            peers[name] = make_openvino(path, args.threads, int8)
        except ImportError as error:
            print(f"{name}: {error}")
    return peers


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--blocks", type=int, default=32)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=pathlib.Path,
                        default=pathlib.Path("."))
    args = parser.parse_args()
    peers = make_peers(args, args.folder)
    image = np.random.default_rng(2).standard_normal(
        (args.batch, 3, 224, 224), dtype=np.float32)
    first = {name: run(image) for name, run in peers.items()}
    exact = first["onnxruntime f32"]
    seconds = {name: [] for name in peers}
    busy = {name: [] for name in peers}
    for _ in range(args.runs):
        for name, run in peers.items():
            begin, cpu = time.perf_counter(), time.process_time()
            run(image)
            seconds[name].append(time.perf_counter() - begin)
            busy[name].append((time.process_time() - cpu) / args.threads)
    for name, out in first.items():
        cosine = min((out * exact).sum(1)
                     / np.linalg.norm(out, axis=1)
                     / np.linalg.norm(exact, axis=1))
        print(f"{name:18} {statistics.median(seconds[name]):8.4f} s "
              f"{statistics.median(busy[name]):8.4f} s of each thread, "
              f"cosine {cosine:.6f}", flush=True)


if __name__ == "__main__":
    main()
