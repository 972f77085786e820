#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Measure libpandagpt and its peers in turn, doing the same work on the same
files, and print the table of docs/benchmarking.md. Peers come from PyPI into a
virtual environment in FOLDER (the first run builds llama.cpp); models are made
there from random numbers, 16 GB without --quick.

usage: peers.py [--group encoder|decoder|pipeline]... [--rows PATTERN]
                [--folder FOLDER] [--build FOLDER] [--threads N] [--rounds N]
                [--quick] [--blocks N] [--keep] [--json]
"""
import argparse
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "interop"))
import environment  # noqa: E402, with the comparisons of results

# Each measures its rows with whichever peers do that work, and tells their
# versions: rows_NAME.get_versions() and rows_NAME.measure(table, args).
GROUPS = ("encoder", "decoder", "pipeline")
# Beside what the comparisons of results need.
PACKAGES = ["torch==2.15.0", "onnx==1.23.2", "onnxruntime==1.32.0",
            "openvino==2026.4.1", "nncf==3.4.0"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--group", action="append", choices=GROUPS,
                        help="default all; may be given several times")
    parser.add_argument("--rows", default="*",
                        help="pattern of the works of a group")
    parser.add_argument("--folder", type=pathlib.Path,
                        default=pathlib.Path("build/interop"))
    parser.add_argument("--build", type=pathlib.Path,
                        default=HERE.parents[1] / "build")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=16,
                        help="tokens of a decode row")
    parser.add_argument("--blocks", type=int, default=0,
                        help="most blocks of an encoder, layers of a decoder")
    parser.add_argument("--quick", action="store_true",
                        help="4 blocks or layers of the same shapes")
    parser.add_argument("--keep", action="store_true",
                        help="leave the models for the next run")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.quick and not args.blocks:
        args.blocks = 4
    args.folder.mkdir(parents=True, exist_ok=True)
    environment.enter(args.folder / "venv", PACKAGES)

    import harness
    table = harness.Table(args.json)
    groups = [__import__(f"rows_{name}") for name in args.group or GROUPS]
    table.begin(list(dict.fromkeys(version for group in groups for
                                   version in group.get_versions())),
                args.threads)
    for group in groups:
        group.measure(table, args)


main()
