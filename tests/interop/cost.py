# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""What a file costs a user of `panda`."""
import subprocess
import time


def get_peak(process):
    """MiB of memory that a running process had at most, mapped files
    included; 0 when it has ended."""
    try:
        with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
            return max((int(line.split()[1]) / 1024 for line in file
                        if line.startswith("VmHWM:")), default=0)
    except OSError:
        return 0


def run(*command):
    """(wall-clock in s, peak memory in MiB). The kernel's own report at the
    process's end would count the one that started it, too."""
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen(list(map(str, command)),
                               stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, get_peak(process))
        time.sleep(0.005)
    seconds = time.perf_counter() - start
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: failed")
    return seconds, peak


def tell(program, path):
    """Size, time to open (the best of five) and memory of an answer."""
    seconds = min(run(program, "info", path)[0] for _ in range(5))
    peak = run(program, "chat", "--decoder", path, "--prompt",
               "What is a panda?", "--greedy", "--max-tokens", 32)[1]
    print(f"{path.name}: {path.stat().st_size / 2**20:.0f} MiB, opens in "
          f"{seconds:.2f} s, {peak:.0f} MiB at most to answer", flush=True)
