# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Measuring two or more sides in turn, and the table of what came out."""
import json
import statistics
import sys
import time


# Before each measurement: the other side's threads may still spin.
PAUSE = 0.05


def measure_in_turn(sides, rounds):
    """Median seconds of each side's function: A B A B..., so that a noisy
    spell of the machine meets all. The first round only warms up."""
    seconds = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, work in sides.items():
            time.sleep(PAUSE)
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

    def __init__(self, as_json):
        self.as_json = as_json

    def begin(self, versions, threads):
        if not self.as_json:
            print(f"{get_cpu()}, {threads} threads; " + ", ".join(versions)
                  + "\n\n| work | ratio | libpandagpt | fastest peer | unit |"
                  " other peers |\n|---|---|---|---|---|---|", flush=True)

    def add(self, work, unit, amount, seconds):
        """`amount` of `unit`s were done in `seconds` by each side, ours
        first."""
        (_, ours), *peers = seconds.items()
        self.add_pairs(work, unit, amount,
                       {name: (ours, value) for name, value in peers})

    def add_pairs(self, work, unit, amount, pairs):
        """By peer: seconds of ours and of the peer, measured in turn."""
        ratios = {name: peer / ours for name, (ours, peer) in pairs.items()}
        best = min(ratios, key=ratios.get)
        rates = {name: [amount / value for value in pair]
                 for name, pair in pairs.items()}
        if self.as_json:
            print(json.dumps({"work": work, "unit": unit, "rates": rates,
                              "best_peer": best, "ratio": ratios[best]}),
                  flush=True)
            return
        others = ", ".join(f"{name} {rates[name][1]:.4g}"
                           for name in sorted(ratios, key=ratios.get)
                           if name != best)
        print(f"| {work} | **{ratios[best]:.2f}** | {rates[best][0]:.4g} | "
              f"{best} {rates[best][1]:.4g} | {unit} | {others} |",
              flush=True)

    def add_limit(self, work, unit, value, other, limit, most):
        """A number of ours that is to be at most `most` times another."""
        if self.as_json:
            print(json.dumps({"work": work, "unit": unit, "value": value,
                              "limit": limit, "ratio": value / limit,
                              "most": most}), flush=True)
        else:
            print(f"| {work} | {value / limit:.2f} (at most {most}) | "
                  f"{value:.3g} | {other} {limit:.3g} | {unit} | |",
                  flush=True)

    def note(self, text):
        """A remark, kept out of the table."""
        print(text, file=sys.stderr, flush=True)
