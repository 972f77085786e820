# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Greedy continuations by us and by llama.cpp.

With floats on both sides tokens must agree but for ties. llama.cpp has no such
mode for quantised matrices: it gets a copy with the same numbers as floats.
With activations rounded to 8 bits, by default on both sides, logits move by some
tenths; what differs there is told, with the gaps."""
import panda
import peer_llama
from prompts import PROMPTS

TOKENS = 64
TIE = 0.05
CONTEXT = 1024


def find_gap(logits, chosen, other):
    return float(logits[chosen] - logits[other])


def find_gaps(ours, theirs, ids, found, expected):
    """Where the two lists differ first, and by how much each side preferred
    its own token there."""
    at = next(i for i, pair in enumerate(zip(found, expected))
              if pair[0] != pair[1])
    for session in (ours, theirs):
        session.reset()
        session.push(ids + found[:at])
    return (at, find_gap(ours.get_logits(), found[at], expected[at]),
            find_gap(theirs.get_logits(), expected[at], found[at]))


def continue_all(model, peer, prompts):
    """(prompt number, None or find_gaps) of every prompt."""
    ours, theirs = model.session(CONTEXT), peer.session(CONTEXT)
    for number, prompt in enumerate(prompts):
        ids = model.tokenize(prompt, panda.PARSE_SPECIAL)
        if ids != peer.tokenize(prompt, True):
            raise SystemExit(f"prompt {number}: different tokens")
        for session in (ours, theirs):
            session.reset()
            session.push(ids)
        found = ours.generate_greedy(TOKENS)
        expected = theirs.generate_greedy(TOKENS)
        yield number, None if found == expected else find_gaps(
            ours, theirs, ids, found, expected)
    ours.close()
    theirs.close()


def compare(name, model, peer, prompts=PROMPTS):
    """Prints what differs; whether that is nothing but ties."""
    equal, ties_only = 0, True
    for number, gaps in continue_all(model, peer, prompts):
        if gaps is None:
            equal += 1
            continue
        at, our_gap, their_gap = gaps
        is_tie = max(our_gap, their_gap) < TIE
        ties_only = ties_only and is_tie
        print(f"  prompt {number}: differs at token {at}, logit gap "
              f"{our_gap:.4f} here, {their_gap:.4f} there"
              + (" (a tie)" if is_tie else ""))
    print(f"{name}: {equal} of {len(prompts)} continuations of {TOKENS} "
          "tokens are equal", flush=True)
    return ties_only


def compare_exactly(library, path, plain, threads, prompts=PROMPTS):
    """Our f32 activations against llama.cpp's on `plain`, a copy with the same
    numbers as floats."""
    model = library.open(decoder=path, precision=panda.EXACT)
    peer = peer_llama.Model(plain, threads)
    well = compare(f"{path.name}, exact", model, peer, prompts)
    model.close()
    peer.close()
    return well


def check(library, path, plain, threads):
    well = compare_exactly(library, path, plain, threads)
    model, peer = library.open(decoder=path), peer_llama.Model(path, threads)
    compare(path.name, model, peer)
    model.close()
    peer.close()
    return well
