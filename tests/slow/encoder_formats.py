#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""What the encoders' formats cost and save: of bundles of an ImageBind in f32,
f16, bf16 and int8 the size, how near embeddings of each modality are to those
of f32 (cosine; the least over all inputs), time to open and peak memory of
embedding a picture. Prints the table of docs/quantization.md.

usage: encoder_formats.py PANDA IMAGEBIND [CLIP_VOCAB]

IMAGEBIND: a checkpoint, such as make_full_size.py writes (5 GB, and as much for
a temporary bundle). Without CLIP_VOCAB no texts are compared.
"""
import argparse
import json
import math
import os
import pathlib
import subprocess
import tempfile
import time

INPUTS = pathlib.Path(__file__).resolve().parents[1] / "golden" / "inputs"
MODALITIES = {
    "image": ["palette.png", "picture.jpg"], "video": ["film.mp4"],
    "audio": ["speech.wav"], "depth": ["depth.png"],
    "thermal": ["thermal.jpg"], "imu": ["movement.npy"],
    "text": ["a panda", "What is the capital of France?"],
}
FORMATS = ("f32", "f16", "bf16", "int8")


def run(command):
    """(output, wall-clock in s, peak memory in MiB, mapped pages included)"""
    start = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE)
    output = process.stdout.read()
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: failed")
    return output, time.monotonic() - start, usage.ru_maxrss / 1024


def embed(panda, bundle, modality):
    embeddings = []
    for name in MODALITIES[modality]:
        value = name if modality == "text" else INPUTS / name
        output, *_ = run([panda, "embed", "--model", bundle, "--output", "unit",
                          "--json", f"--{modality}", value])
        embeddings.append(json.loads(output)["embedding"])
    return embeddings


def find_cosine(ours, theirs):
    """The least of all pairs. Means of clips are not of unit length."""
    def dot(x, y):
        return sum(a * b for a, b in zip(x, y))
    return min(dot(x, y) / math.sqrt(dot(x, x) * dot(y, y))
               for x, y in zip(ours, theirs))


def measure(panda, bundle, modalities, expected):
    """Embeddings of the bundle, and its row of the table."""
    found = {name: embed(panda, bundle, name) for name in modalities}
    expected = expected or found
    run([panda, "info", bundle])
    seconds = min(run([panda, "info", bundle])[1] for _ in range(5))
    peak = run([panda, "embed", "--model", bundle, "--json", "--image",
                INPUTS / "palette.png"])[2]
    cells = [f"{bundle.stat().st_size / 2**20:.1f}"]
    cells += [f"{find_cosine(found[name], expected[name]):.6f}"
              for name in modalities]
    return found, cells + [f"{seconds:.2f}", f"{peak:.0f}"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("panda")
    parser.add_argument("imagebind")
    parser.add_argument("clip_vocab", nargs="?")
    args = parser.parse_args()
    sources = [args.imagebind] + ([args.clip_vocab] if args.clip_vocab else [])
    modalities = [name for name in MODALITIES
                  if name != "text" or args.clip_vocab]
    head = ["format", "MiB", *modalities, "opening (s)", "peak MiB"]
    print("|", " | ".join(head), "|\n" + "|---" * len(head) + "|", flush=True)
    expected = None
    with tempfile.TemporaryDirectory(prefix="panda-encoders-") as folder:
        bundle = pathlib.Path(folder) / "bundle.gguf"
        for form in FORMATS:
            run([args.panda, "quantize", *sources, "-o", bundle, "--encoders",
                 form])
            found, cells = measure(args.panda, bundle, modalities, expected)
            expected = expected or found
            print("|", " | ".join([form, *cells]), "|", flush=True)


main()
