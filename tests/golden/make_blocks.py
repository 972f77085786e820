#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Write blocks.safetensors: python3 make_blocks.py [folder].

For each block format random blocks ("q4_0.blocks", bytes) and their values
("q4_0.values", floats) as the gguf package from PyPI computes them; and for
those that it can write also the blocks that it makes ("q4_0.rounded") of some
floats ("floats"). Needs gguf and numpy; running it again gives the same
bytes."""
import json
import pathlib
import struct
import sys

import gguf
import numpy as np

FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                      pathlib.Path(__file__).parent)

# Name, elements to write, offsets of the f16 numbers within a block.
FORMATS = [("Q8_0", 512, [0]), ("Q4_0", 512, [0]), ("Q4_1", 512, [0, 2]),
           ("Q5_0", 512, [0]), ("Q5_1", 512, [0, 2]), ("Q2_K", 1024, [80, 82]),
           ("Q3_K", 1024, [108]), ("Q4_K", 1024, [0, 2]),
           ("Q5_K", 1024, [0, 2]), ("Q6_K", 1024, [208]),
           ("IQ4_NL", 512, [0]), ("IQ4_XS", 1024, [0])]


def make(name, count, halves, random):
    kind = gguf.GGMLQuantizationType[name]
    block, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (count // block, size), dtype=np.uint8)
    for offset in halves:
        scale = random.normal(0, 0.02, len(blocks)).astype(np.float16)
        # Zeros of both signs, a subnormal number and a large one.
        scale[:2] = [-0.0, 6e-8] if len(blocks) == 4 else [-0.0, 0.0]
        if len(blocks) > 4:
            scale[2:4] = [-6e-8, 60000]
        blocks[:, offset:offset + 2] = scale.view(np.uint8).reshape(-1, 2)
    values = gguf.quants.dequantize(blocks.reshape(1, -1), kind)
    return blocks, values.astype(np.float32)


def make_floats(random):
    """Blocks of many kinds: of all sizes, of ties, of few values, of zeros."""
    x = random.normal(0, 1, (40, 32)) * 10.0 ** random.integers(-6, 4, (40, 1))
    x[0] = 0
    x[1, 1:] = 0
    x[2:6] = np.round(x[2:6] / abs(x[2:6]).max(-1, keepdims=True) * 31) / 2
    x[6:10] = random.choice([-127.0, -63.5, 0.5, 1.5, 127.0], (4, 32))
    x[10] = 0.25
    x[11] = -abs(x[11])
    return x.astype(np.float32)


def main():
    random = np.random.default_rng(20230525)
    tensors = []
    for name, count, halves in FORMATS:
        blocks, values = make(name, count, halves, random)
        tensors.append((f"{name.lower()}.values", "F32", values))
        tensors.append((f"{name.lower()}.blocks", "U8", blocks))
    floats = make_floats(random)
    tensors.append(("floats", "F32", floats))
    for name in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"):
        kind = gguf.GGMLQuantizationType[name]
        tensors.append((f"{name.lower()}.rounded", "U8",
                        gguf.quants.quantize(floats, kind)))
    header, data = {}, b""
    for name, kind, array in tensors:
        content = array.tobytes()
        header[name] = {"dtype": kind, "shape": [array.size],
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (FOLDER / "blocks.safetensors").write_bytes(
        struct.pack("<Q", len(text)) + text + data)


main()
