#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Measure libpandagpt and its peers in turn, doing the same work on the same
files, and print the table of docs/benchmarking.md. Peers come from PyPI into a
virtual environment in FOLDER (the first run builds llama.cpp); models are made
there from random numbers, 16 GB without --quick.

usage: peers.py [--folder FOLDER] [--build FOLDER] [--threads N] [--rounds N]
                [--quick] [--keep] [--json]
"""
import argparse
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "interop"))
import environment  # noqa: E402, with the comparisons of results

# Each measures its rows with whichever peers do that work, and tells their
# versions: rows_NAME.get_versions() and rows_NAME.measure(table, args).
GROUPS = ("decoder",)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path,
                        default=pathlib.Path("build/interop"))
    parser.add_argument("--build", type=pathlib.Path,
                        default=HERE.parents[1] / "build")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=16,
                        help="tokens of a decode row")
    parser.add_argument("--quick", action="store_true",
                        help="fewer layers of the same shapes")
    parser.add_argument("--keep", action="store_true",
                        help="leave the models for the next run")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    environment.enter(args.folder / "venv")

    import harness
    table = harness.Table(args.json)
    groups = [__import__(f"rows_{name}") for name in GROUPS]
    table.begin([version for group in groups
                 for version in group.get_versions()], args.threads)
    for group in groups:
        group.measure(table, args)


main()
