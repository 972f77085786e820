# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""What a file costs a user of `panda`."""
import os
import subprocess
import time


def run(*command):
    """(wall-clock in s, peak memory in MiB, pages of mapped files included)"""
    start = time.monotonic()
    process = subprocess.Popen(list(map(str, command)),
                               stdout=subprocess.DEVNULL)
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: failed")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def tell(program, path):
    """Size, time to open (the best of five) and memory of an answer."""
    seconds = min(run(program, "info", path)[0] for _ in range(5))
    peak = run(program, "chat", "--decoder", path, "--prompt",
               "What is a panda?", "--greedy", "--max-tokens", 32)[1]
    print(f"{path.name}: {path.stat().st_size / 2**20:.0f} MiB, opens in "
          f"{seconds:.2f} s, {peak:.0f} MiB at most to answer", flush=True)
