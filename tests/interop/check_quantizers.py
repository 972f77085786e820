# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""`panda quantize` against llama.cpp's quantiser: the same type for each tensor,
and no larger error. Perplexity of what each makes."""
import subprocess

import gguf
import numpy as np

import check_perplexity as perplexity
import models
import panda

# Those that both round alike are equal to the bit.
EQUAL = {"F32", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"}
LIMIT = 1.01  # of the error, ours / theirs


def read(path):
    return {t.name: t for t in gguf.GGUFReader(path).tensors}


def measure(tensor, expected):
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return float(np.sum((values - expected.reshape(values.shape)) ** 2))


def are_equal(ours, theirs):
    ours, theirs = read(ours), read(theirs)
    return all(np.array_equal(tensor.data, theirs[name].data)
               for name, tensor in ours.items())


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


def quantize(program, source, target, form, threads):
    subprocess.run([program, "quantize", str(source), "-o", str(target),
                    "--decoder", form, "--threads", str(threads)], check=True)


def check_form(library, program, folder, form, threads, wide):
    """Types and errors; perplexities are told: a rounding that is as good as
    another moves them by a percent or two."""
    theirs = models.get_quantized(folder, form, threads, wide)
    source, ours = models.get_source(folder, wide), folder / "ours.gguf"
    quantize(program, source, ours, form, threads)
    name = f"{form}{', wide' if wide else ''}"
    good = compare(name, ours, theirs, source)
    if not are_equal(ours, theirs):
        perplexity.compare(
            f"  {name}, our file and theirs, both run here",
            perplexity.measure_ours(library, ours, panda.EXACT),
            perplexity.measure_ours(library, theirs, panda.EXACT))
    ours.unlink()
    print(f"quantizers: {name} {'ok' if good else 'FAILED'}", flush=True)
    return good


def check(library, program, folder, forms, threads):
    return all([check_form(library, program, folder, form, threads, wide)
                for wide in (False, True) for form in forms])
