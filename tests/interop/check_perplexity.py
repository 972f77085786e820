# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Perplexity of text.txt by us and by llama.cpp, from the same file."""
import math

import numpy as np

import models
import panda
import peer_llama
from prompts import TEXT

WINDOW = 512  # tokens seen at once; every window but its first token counts
TOLERANCE = 0.003
EXACT_TOKENS = 2 * (WINDOW - 1)  # that count, for floats on both sides
EXACT_TOLERANCE = 0.0001


def get_surprise(logits, ids):
    """Of ids[1:], each by the logits before it, in nats."""
    rows = logits[:-1].astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    chosen = rows[np.arange(len(rows)), ids[1:]]
    return np.log(np.exp(rows).sum(axis=1)) - chosen


def measure(get_logits, ids):
    """Surprise by every token but the first of each window, which is seen
    alone; `get_logits` gives its [tokens, vocabulary]."""
    windows = [ids[i:i + WINDOW] for i in range(0, len(ids) - 1, WINDOW)]
    return np.concatenate([get_surprise(get_logits(window), window)
                           for window in windows])


def measure_ours(library, path, precision=panda.AUTO, most=None):
    model = library.open(decoder=path, precision=precision)
    session = model.session(WINDOW)

    def get_logits(ids):
        session.reset()
        session.push(ids)
        return session.get_all_logits(0, len(ids))

    result = measure(get_logits, model.tokenize(TEXT)[:most])
    session.close()
    model.close()
    return result


def measure_theirs(path, threads, most=None):
    model = peer_llama.Model(path, threads)
    session = model.session(WINDOW)

    def get_logits(ids):
        session.reset()
        return session.push_for_all_logits(ids)

    result = measure(get_logits, model.tokenize(TEXT)[:most])
    session.close()
    model.close()
    return result


def compare(name, ours, theirs):
    """Prints both and gives how much higher ours is, and the standard error of
    that: rounding in other places makes the difference uncertain."""
    difference = ours - theirs
    error = difference.std() / math.sqrt(len(difference))
    ratio = math.exp(difference.mean()) - 1
    print(f"{name}: perplexity {math.exp(ours.mean()):.4f} here, "
          f"{math.exp(theirs.mean()):.4f} there, {100 * ratio:+.3f} % "
          f"(standard error {100 * error:.3f} %)", flush=True)
    return ratio, error


def check(library, path, threads):
    """The same file as it comes: both sides round activations to 8 bits where
    matrices are quantised, each in its own way, so ours must only not be worse
    by more than that. The same numbers as floats on both sides: there must be
    no difference."""
    theirs = measure_theirs(path, threads)
    ratio, error = compare(path.name, measure_ours(library, path), theirs)
    ours = measure_ours(library, path, panda.EXACT)
    compare(f"{path.name}, exact here", ours, theirs)
    plain = models.write_plain(path)
    exact, _ = compare(f"{path.name}, exact in both", ours[:EXACT_TOKENS],
                       measure_theirs(plain, threads, EXACT_TOKENS + 2))
    plain.unlink()
    return (ratio <= max(TOLERANCE, 3 * error) and
            abs(exact) <= EXACT_TOLERANCE)
