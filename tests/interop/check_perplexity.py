# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Perplexity of text.txt by us and by llama.cpp, from the same file."""
import math

import numpy as np

import peer_llama
from prompts import TEXT

WINDOW = 512  # tokens seen at once; every window but its first token counts
TOLERANCE = 0.003


def sum_surprise(logits, ids):
    """Of ids[1:], each by the logits before it, in nats."""
    rows = logits[:-1].astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    chosen = rows[np.arange(len(rows)), ids[1:]]
    return float((np.log(np.exp(rows).sum(axis=1)) - chosen).sum())


def get_windows(ids):
    return [ids[i:i + WINDOW] for i in range(0, len(ids) - 1, WINDOW)]


def measure(get_logits, windows):
    """`get_logits` gives [tokens, vocabulary] of a window seen alone."""
    total = sum(sum_surprise(get_logits(ids), ids) for ids in windows)
    return math.exp(total / sum(len(ids) - 1 for ids in windows))


def measure_ours(library, path):
    model = library.open(decoder=path)
    session = model.session(WINDOW)

    def get_logits(ids):
        session.reset()
        session.push(ids)
        return session.get_all_logits(0, len(ids))

    result = measure(get_logits, get_windows(model.tokenize(TEXT)))
    session.close()
    model.close()
    return result


def measure_theirs(path, threads):
    model = peer_llama.Model(path, threads)
    session = model.session(WINDOW)

    def get_logits(ids):
        session.reset()
        return session.push_for_all_logits(ids)

    result = measure(get_logits, get_windows(model.tokenize(TEXT)))
    session.close()
    model.close()
    return result


def check(library, path, threads):
    """Both sides round activations to 8 bits where matrices are quantised."""
    theirs = measure_theirs(path, threads)
    ours = measure_ours(library, path)
    difference = ours / theirs - 1
    print(f"{path.name}: perplexity {ours:.4f} here, {theirs:.4f} there, "
          f"{100 * difference:+.3f} %", flush=True)
    return abs(difference) <= TOLERANCE
