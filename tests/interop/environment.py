# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""A virtual environment with the peers, made once; a program that calls
enter() goes on inside of it."""
import os
import pathlib
import subprocess
import sys
import venv

PACKAGES = ["gguf==0.19.0", "numpy==2.4.6", "tokenizers==0.23.3",
            "sentencepiece==0.2.3"]
# Built here, for the instruction sets of this machine.
LLAMA = "llama-cpp-python==0.3.36"
LLAMA_FLAGS = "-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF -DCMAKE_BUILD_TYPE=Release"


def install(folder, packages):
    """What of `packages` was not installed before."""
    mark = folder / "complete"
    known = mark.read_text().split() if mark.exists() else []
    missing = [name for name in packages if name not in known]
    if not missing:
        return
    print(f"{folder}: installing {', '.join(missing)}", flush=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q",
                    *missing], check=True)
    mark.write_text(" ".join(known + missing))


def make(folder):
    venv.create(folder, with_pip=True)
    print(f"{folder}: building {LLAMA}; takes ten minutes", flush=True)
    environment = dict(os.environ, CMAKE_ARGS=LLAMA_FLAGS)
    environment.setdefault("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count()))
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q",
                    "--no-binary", "llama-cpp-python", LLAMA],
                   check=True, env=environment)
    (folder / "complete").write_text(LLAMA)


def enter(folder, more=()):
    """Run the calling program again with the environment's Python, unless it
    is that one already."""
    folder = pathlib.Path(folder).resolve()
    if pathlib.Path(sys.prefix) == folder:
        return
    if not (folder / "complete").exists():
        make(folder)
    install(folder, PACKAGES + list(more))
    python = folder / "bin" / "python"
    os.execv(python, [python, *sys.argv])
