# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Greedy continuations by us and by llama.cpp.

On f32 matrices both compute with floats, and tokens must agree but for ties.
On quantised ones llama.cpp rounds activations to 8 bits, which moves logits by
some tenths; what differs there is told, with the gaps."""
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


def continue_all(library, path, threads):
    """(prompt number, None or find_gaps) of every prompt."""
    model, peer = library.open(decoder=path), peer_llama.Model(path, threads)
    ours, theirs = model.session(CONTEXT), peer.session(CONTEXT)
    for number, prompt in enumerate(PROMPTS):
        ids = model.tokenize(prompt, 2)
        if ids != peer.tokenize(prompt, True):
            raise SystemExit(f"prompt {number}: different tokens")
        for session in (ours, theirs):
            session.reset()
            session.push(ids)
        found = ours.generate_greedy(TOKENS)
        expected = theirs.generate_greedy(TOKENS)
        gaps = None
        if found != expected:
            gaps = find_gaps(ours, theirs, ids, found, expected)
        yield number, gaps
    for thing in (ours, theirs, model, peer):
        thing.close()


def check(library, path, threads, must_match):
    """Prints what differs; whether all is well."""
    equal, well = 0, True
    for number, gaps in continue_all(library, path, threads):
        if gaps is None:
            equal += 1
            continue
        at, our_gap, their_gap = gaps
        is_tie = max(our_gap, their_gap) < TIE
        well = well and (is_tie or not must_match)
        print(f"  prompt {number}: differs at token {at}, logit gap "
              f"{our_gap:.4f} here, {their_gap:.4f} there"
              + (" (a tie)" if is_tie else ""))
    print(f"{path.name}: {equal} of {len(PROMPTS)} continuations of {TOKENS} "
          "tokens are equal", flush=True)
    return well
