# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Measuring two or more sides in turn, and the table of what came out."""
import json
import statistics
import time


def measure_in_turn(sides, rounds):
    """Median seconds of each side's function: A B A B..., so that a noisy
    spell of the machine meets all. The first round only warms up."""
    seconds = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, work in sides.items():
            start = time.perf_counter()
            work()
            if number > 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values)
            for name, values in seconds.items()}


def get_cpu():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


class Table:
    """Rows as they are measured; ours against the fastest peer."""

    OURS = "libpandagpt"

    def __init__(self, as_json):
        self.as_json = as_json

    def begin(self, versions, threads):
        if not self.as_json:
            print(f"{get_cpu()}, {threads} threads; " + ", ".join(versions)
                  + "\n\n| work | unit | libpandagpt | fastest peer | ratio |"
                  "\n|---|---|---|---|---|", flush=True)

    def add(self, work, unit, amount, seconds):
        """`amount` of `unit`s were done in `seconds` by each side."""
        rates = {name: amount / value for name, value in seconds.items()}
        peers = {name: rate for name, rate in rates.items()
                 if name != self.OURS}
        best = max(peers, key=peers.get)
        ratio = rates[self.OURS] / peers[best]
        if self.as_json:
            print(json.dumps({"work": work, "unit": unit, "rates": rates,
                              "best_peer": best, "ratio": ratio}), flush=True)
        else:
            print(f"| {work} | {unit} | {rates[self.OURS]:.2f} | "
                  f"{peers[best]:.2f} ({best}) | {ratio:.2f} |", flush=True)
