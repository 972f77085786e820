# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""ImageBind's towers as ONNX graphs, for ONNX Runtime and OpenVINO."""
import logging

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import towers


class Graph:
    """Nodes in the making; their weights are those of the tower."""

    def __init__(self, tower, weights):
        self.tower, self.weights = tower, weights
        self.nodes, self.tensors, self.known = [], [], {}
        self.stem, self.trunk, self.head = towers.get_names(tower)

    def add(self, kind, *inputs, outputs=1, **attributes):
        first = f"v{len(self.nodes)}"
        names = [first if i == 0 else f"{first}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=first,
                                           **attributes))
        return names if outputs > 1 else first

    def constant(self, values, name=None):
        name = name or f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(
            np.asarray(values, order="C"), name))
        return name

    def weight(self, name, change=lambda values: values):
        if name not in self.known:
            self.known[name] = self.constant(change(self.weights[name]), name)
        return self.known[name]

    def linear(self, x, name, ending=("weight", "bias")):
        x = self.add("MatMul", x, self.weight(name + ending[0],
                                              lambda values: values.T))
        return self.add("Add", x, self.weight(name + ending[1]))

    def norm(self, x, name, epsilon=1e-6):
        return self.add("LayerNormalization", x, self.weight(name + ".weight"),
                        self.weight(name + ".bias"), axis=-1, epsilon=epsilon)

    def split(self, x, order):
        width, heads = self.tower.width, self.tower.heads
        shape = self.constant(np.array([0, -1, heads, width // heads]))
        return self.add("Transpose", self.add("Reshape", x, shape), perm=order)

    def append_row(self, x, name):
        """[n, tokens + 1, width]: the learned row behind each item's."""
        tokens, width = self.tower.tokens, self.tower.width
        row = np.zeros((1, tokens + 1, width), np.float32)
        row[:, tokens] = self.weights[name]
        pads = self.constant(np.array([0, 0, 0, 0, 1, 0]))
        return self.add("Add", self.add("Pad", x, pads), self.constant(row))

    def attend(self, x, name):
        width, tokens = self.tower.width, self.tower.tokens
        qkv = self.linear(x, name, ("in_proj_weight", "in_proj_bias"))
        q, k, v = self.add("Split", qkv, self.constant(np.array([width] * 3)),
                           outputs=3, axis=-1)
        if self.tower.extra_key:
            k = self.append_row(k, name + "bias_k")
            v = self.append_row(v, name + "bias_v")
        q = self.split(q, [0, 2, 1, 3])
        k = self.split(k, [0, 2, 3, 1])
        v = self.split(v, [0, 2, 1, 3])
        scale = np.float32((width // self.tower.heads) ** -0.5)
        x = self.add("MatMul", self.add("Mul", q, self.constant(scale)), k)
        if self.tower.is_text:
            mask = np.triu(np.full((tokens, tokens), -1e30, np.float32), 1)
            x = self.add("Add", x, self.constant(mask))
        x = self.add("MatMul", self.add("Softmax", x, axis=-1), v)
        x = self.add("Transpose", x, perm=[0, 2, 1, 3])
        x = self.add("Reshape", x, self.constant(np.array([0, tokens, width])))
        return self.linear(x, name + "out_proj.")

    def gelu(self, x):
        half = self.add("Mul", x, self.constant(np.float32(0.5 ** 0.5)))
        erf = self.add("Add", self.add("Erf", half),
                       self.constant(np.float32(1)))
        return self.add("Mul", self.add("Mul", x, erf),
                        self.constant(np.float32(0.5)))

    def block(self, x, name):
        x = self.add("Add", x, self.attend(self.norm(x, name + "norm_1"),
                                           name + "attn."))
        hidden = self.linear(self.norm(x, name + "norm_2"), name + "mlp.fc1.")
        return self.add("Add", x, self.linear(self.gelu(hidden),
                                              name + "mlp.fc2."))

    def embed(self, x):
        tower = self.tower
        kernel = self.stem + tower.stem
        positions = self.weight(self.stem + tower.positions)
        if tower.is_text:
            return self.add("Add", self.add("Gather", self.weight(kernel), x),
                            positions)
        if tower.name == "imu":
            x = self.add("MatMul", x, self.weight(kernel, lambda w: w.T))
        else:
            x = self.add("Conv", x, self.weight(
                kernel, lambda w: w.reshape(len(w), -1, *w.shape[-2:])),
                strides=[tower.stride] * 2)
            shape = np.array([0, tower.width, tower.tokens - 1])
            x = self.add("Reshape", x, self.constant(shape))
            x = self.add("Transpose", x, perm=[0, 2, 1])
        if tower.stem_norm:
            x = self.norm(x, self.stem + tower.stem_norm, 1e-5)
        # The class token in front: a row of zeros, and it is added.
        x = self.add("Pad", x, self.constant(np.array([0, 1, 0, 0, 0, 0])))
        first = self.weights[self.stem + tower.positions].copy()
        first[:, 0] += self.weights[self.stem + "cls_token"][0]
        return self.add("Add", x, self.constant(first))

    def pool(self, x):
        """[n, width]: the class token, or the one of the largest id."""
        if not self.tower.is_text:
            return self.add("Gather", x, self.constant(np.array(0)), axis=1)
        last = self.add("ArgMax", "x", axis=1, keepdims=1)
        return self.add("GatherND", x, last, batch_dims=1)

    def finish(self, x):
        x = self.norm(self.pool(x),
                      self.head + ("proj.0" if self.tower.is_text else "0"))
        x = self.add("MatMul", x, self.weight(self.head + self.tower.head,
                                              lambda values: values.T))
        self.nodes.append(helper.make_node("Identity", [x], ["out"]))


def write(path, tower, weights, blocks, shape):
    """Inputs "x" of this shape behind their number, to "out" [n, EMBEDDING].
    The weights lie in a file beside it."""
    graph = Graph(tower, weights)
    x = graph.embed("x")
    if tower.pre_norm:
        x = graph.norm(x, "modality_trunks.vision.pre_transformer_layer.0")
    for i in range(blocks):
        x = graph.block(x, f"{graph.trunk}{i}.")
    graph.finish(x)
    kind = TensorProto.INT64 if tower.is_text else TensorProto.FLOAT
    made = helper.make_graph(
        graph.nodes, tower.name,
        [helper.make_tensor_value_info("x", kind, ["n", *shape])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT,
                                       ["n", towers.EMBEDDING])],
        graph.tensors)
    model = helper.make_model(made,
                              opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save_model(model, path, save_as_external_data=True,
                    location=path.name + ".data")


def write_int8(path, source):
    """ONNX Runtime's own dynamic 8-bit form of `source`."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    logging.disable(logging.WARNING)
    quantize_dynamic(source, path, weight_type=QuantType.QInt8,
                     per_channel=True, use_external_data_format=True,
                     op_types_to_quantize=["MatMul"])


def remove(path):
    for file in (path, path.with_name(path.name + ".data")):
        file.unlink(missing_ok=True)
