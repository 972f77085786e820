#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Full size, from files to words: make random weights of the published shapes
(make_full_size.py, about 19 GB in a temporary folder), then load, encode and
answer with them; make a bundle of them with int8 encoders and a Q4_0 decoder
(5 GB) and do the same from that. Prints wall-clock, processor time and peak
memory of each step, and fails where memory is above what is promised.

usage: full_size.py PANDA PICTURE [--layers N] [--folder EXISTING]
       full_size.py PANDA PICTURE --bundle BUNDLE   (the steps with it alone)
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

LIMIT_GIB = 24


def run(what, command, keep, limit=LIMIT_GIB):
    """One step; its times and its own peak memory, pages of mapped files
    included."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    output = process.stdout.read()
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    peak = usage.ru_maxrss / 2**20
    print(f"{what:34} {time.monotonic() - start:8.2f} s "
          f"{usage.ru_utime + usage.ru_stime:8.2f} s of processors "
          f"{peak:8.2f} GiB peak", flush=True)
    if process.returncode != 0 or peak > limit or not keep(output):
        sys.exit(f"{what}: failed (exit code {process.returncode}, at most "
                 f"{limit} GiB)")


def is_embedding(output):
    values = json.loads(output)["embedding"]
    return len(values) == 1024 and 0.99 < sum(v * v for v in values) < 1.01


def check_modes(panda, picture, imagebind):
    """The picture in each mode against f32, by the accuracy contract."""
    found = {}

    def keep(mode):
        def take(output):
            found[mode] = json.loads(output)["embedding"]
            return is_embedding(output)
        return take

    for mode, least in (("exact", 1 - 1e-6), ("fast", 0.9995),
                        ("small", 0.999)):
        run(f"panda embed, {mode}",
            [panda, "embed", "--imagebind", imagebind, "--image", picture,
             "--precision", mode, "--json"], keep(mode))
        cosine = sum(a * b for a, b in zip(found[mode], found["exact"]))
        print(f"  cosine with exact {cosine:.6f}, at least {least}")
        if cosine < least:
            sys.exit(f"{mode}: the embedding is too far from the exact one")


def is_answer(output):
    turn = json.loads(output)["turns"][0]
    print(f"  {turn['prompt_tokens']} prompt positions, "
          f"{len(turn['tokens'])} tokens, {turn['seconds']:.1f} s to answer")
    return len(turn["tokens"]) > 0


def measure(panda, picture, folder):
    imagebind = folder / "imagebind_huge.pth"
    model = ["--imagebind", imagebind, "--decoder", folder / "vicuna-7b",
             "--adapter", folder / "pandagpt_delta.pt"]
    run("panda info, all files", [panda, "info", "--json"] + model,
        lambda out: json.loads(out)["missing"] == ["clip_vocab"])
    run("panda embed, one picture",
        [panda, "embed", "--imagebind", imagebind, "--image", picture,
         "--json"], is_embedding)
    check_modes(panda, picture, imagebind)
    run("panda chat, picture and 16 tokens",
        [panda, "chat", "--image", picture, "--prompt", "w300 w301 w302",
         "--greedy", "--max-tokens", "16", "--json"] + model, is_answer)


def make_bundle(panda, folder):
    """What a 7B in f16 becomes, LoRA merged: f16 once more, and few bits."""
    bundle, decoder = folder / "bundle.gguf", folder / "decoder.gguf"
    files = [folder / "imagebind_huge.pth", folder / "vicuna-7b",
             folder / "pandagpt_delta.pt"]
    run("panda convert, decoder alone, f16",
        [panda, "convert", *files[1:], "--lora", "merge", "--only", "decoder",
         "-o", decoder], lambda out: decoder.exists(), 2)
    decoder.unlink()
    run("panda quantize, int8 and q4_0",
        [panda, "quantize", *files, "--encoders", "int8", "--decoder", "q4_0",
         "-o", bundle], lambda out: bundle.exists(), 2)
    return bundle


def measure_bundle(panda, picture, bundle):
    for what in ("panda info, bundle", "panda info, bundle, warm"):
        run(what, [panda, "info", "--json", bundle],
            lambda out: json.loads(out)["missing"] == ["clip_vocab"], 1)
    # The image tower alone is 0.63 of the 1.2 GB of encoders.
    run("panda embed, bundle, one picture",
        [panda, "embed", "--model", bundle, "--image", picture, "--json"],
        is_embedding, 1)
    run("panda chat, bundle, 16 tokens",
        [panda, "chat", "--model", bundle, "--image", picture, "--prompt",
         "w300 w301 w302", "--greedy", "--max-tokens", "16", "--json"],
        is_answer, 6.5)


def measure_all(panda, picture, folder):
    measure(panda, picture, folder)
    measure_bundle(panda, picture, make_bundle(panda, folder))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("panda")
    parser.add_argument("picture")
    parser.add_argument("--layers", default="32")
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--bundle", type=pathlib.Path)
    args = parser.parse_args()
    if args.bundle:
        measure_bundle(args.panda, args.picture, args.bundle)
        return
    if args.folder:
        measure_all(args.panda, args.picture, args.folder)
        return
    with tempfile.TemporaryDirectory(prefix="panda-full-size-") as folder:
        script = pathlib.Path(__file__).with_name("make_full_size.py")
        subprocess.run([sys.executable, script, folder, "--layers",
                        args.layers], check=True)
        measure_all(args.panda, args.picture, pathlib.Path(folder))


main()
