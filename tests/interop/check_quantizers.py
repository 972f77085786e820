# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""`panda quantize` against llama.cpp's quantiser: the same type for each tensor,
and no larger error."""
import subprocess

import gguf
import numpy as np

import models

# Those that both round alike are equal to the bit.
EQUAL = {"F32", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"}
LIMIT = 1.01  # of the error, ours / theirs


def read(path):
    return {t.name: t for t in gguf.GGUFReader(path).tensors}


def measure(tensor, expected):
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return float(np.sum((values - expected.reshape(values.shape)) ** 2))


def compare(form, ours, theirs, source):
    ours, theirs = read(ours), read(theirs)
    _, expected = models.read(source)
    good, errors = set(ours) == set(theirs), {}
    for name, tensor in ours.items():
        kind = tensor.tensor_type.name
        if tensor.tensor_type != theirs[name].tensor_type:
            print(f"  {form}: {name} is {kind}, there it is "
                  f"{theirs[name].tensor_type.name}")
            good = False
        elif kind in EQUAL:
            good &= np.array_equal(tensor.data, theirs[name].data)
        else:
            a, b = errors.get(kind, (0, 0))
            errors[kind] = (a + measure(tensor, expected[name]),
                            b + measure(theirs[name], expected[name]))
    for kind, (a, b) in errors.items():
        ratio = (a / b) ** 0.5 if b else 1.0
        good &= ratio <= LIMIT
        print(f"  {form}: error of {kind} tensors {ratio:.4f} of theirs")
    return good


def check(program, folder, forms, threads):
    failed = []
    for form in forms:
        theirs = models.get_quantized(folder, form, threads)
        wide = "_k" in form or form == "iq4_xs"
        source = (models.get_padded_f32 if wide else models.get_f32)(folder)
        ours = folder / "ours.gguf"
        subprocess.run([program, "quantize", str(source), "-o", str(ours),
                        "--decoder", form, "--threads", str(threads)],
                       check=True)
        good = compare(form, ours, theirs, source)
        ours.unlink()
        print(f"quantizers: {form} {'ok' if good else 'FAILED'}", flush=True)
        if not good:
            failed.append(form)
    return not failed
