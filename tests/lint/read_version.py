#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Print the release version of include/pandagpt/version.h (or with --abi the
number in the soname)."""
import pathlib
import re
import sys

HEADER = (pathlib.Path(__file__).resolve().parents[2]
          / "include/pandagpt/version.h")


def read(name):
    match = re.search(rf"#define {name} (\d+)", HEADER.read_text())
    if not match:
        sys.exit(f"{HEADER}: {name} not found")
    return match.group(1)


if "--abi" in sys.argv:
    print(read("PANDA_ABI_VERSION"))
else:
    print(".".join(read(f"PANDA_VERSION_{part}")
                   for part in ("MAJOR", "MINOR", "PATCH")))
