#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Compare what the shared library exports with symbols.txt, and both with the
headers and docs/symbols-in-versions.txt."""
import pathlib
import re
import subprocess
import sys


def exported(library):
    output = subprocess.run(["nm", "-D", "--defined-only", library],
                            check=True, capture_output=True, text=True).stdout
    names = {line.split()[-1].split("@")[0] for line in output.splitlines()}
    # Sanitizers and the linker add their own.
    return {n for n in names
            if not n.startswith(("__", "_init", "_fini", "_edata", "_end"))}


def declared(include):
    pattern = re.compile(r"\b(panda_\w+)\(")
    names = set()
    for header in include.rglob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        for statement in re.findall(r"PANDA_API[^;]*;", text):
            names.add(pattern.search(statement).group(1))
    return names


def listed(path):
    lines = path.read_text().splitlines()
    return [line.split()[0] for line in lines
            if line.strip() and not line.startswith("#")]


def main():
    library, symbols, root = (pathlib.Path(p) for p in sys.argv[1:4])
    want = listed(symbols)
    problems = []
    if want != sorted(want):
        problems.append(f"{symbols}: not sorted")
    for name, found in (
            ("the library exports", exported(library)),
            ("the headers declare", declared(root / "include")),
            ("docs/symbols-in-versions.txt lists",
             set(listed(root / "docs/symbols-in-versions.txt")))):
        problems += [f"{name} {s}, symbols.txt does not"
                     for s in sorted(found - set(want))]
        problems += [f"symbols.txt has {s}, but {name} it not"
                     for s in sorted(set(want) - found)]
    print("\n".join(problems) or f"{len(want)} symbols agree")
    return 1 if problems else 0


sys.exit(main())
