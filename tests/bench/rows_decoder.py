# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Decoder rows: prompts and single tokens, from the same files as llama.cpp."""
import fnmatch

import make_llama
import models
import panda
import peer_llama
from harness import measure_in_turn

CONTEXT = 2200
PAST, TOGETHER = 2000, 4  # positions of a long text; sessions
SMALL = "smollm2"


def make_ids(count, first=300):
    return [first + i * 7 % 5000 for i in range(count)]


def prefill(session, ids):
    """The same for both sides: their sessions have the same methods."""
    def work():
        session.reset()
        session.push(ids)
        session.get_logits()
    return work


def decode(session, past, count):
    """`count` steps behind `past` positions, which are there already."""
    def work():
        session.reset(past)
        for i in range(count):
            session.push([100 + i])
            session.get_logits()
    return work


def decode_together(sessions, past, count):
    """The same of several sessions of ours."""
    def work():
        for session in sessions:
            session.reset(past)
        for i in range(count):
            panda.push_batch(sessions, [100 + i + j
                                        for j in range(len(sessions))])
            for session in sessions:
                session.get_logits()
    return work


def push_past(session, past):
    session.reset()
    for at in range(0, past, 512):
        session.push(make_ids(min(512, past - at)))


def measure_both(table, sessions, name, args):
    for length in (128, 512):
        table.add(f"{name}, prefill {length}", "tokens/s", length,
                  measure_in_turn({side: prefill(session, make_ids(length))
                                   for side, session in sessions.items()},
                                  args.rounds))
    for past, suffix in ((128, ""), (PAST, f" at {PAST} tokens")):
        for session in sessions.values():
            push_past(session, past)
        table.add(f"{name}, decode{suffix}", "tokens/s", args.steps,
                  measure_in_turn({side: decode(session, past, args.steps)
                                   for side, session in sessions.items()},
                                  args.rounds))


def measure_together(table, model, name, args):
    """Tokens of all of ours against those of one of ours."""
    sessions = [model.session(CONTEXT) for _ in range(TOGETHER)]
    for session in sessions:
        push_past(session, 128)
    seconds = measure_in_turn(
        {"together": decode_together(sessions, 128, args.steps),
         "one alone": decode(sessions[0], 128, args.steps)}, args.rounds)
    seconds["one alone"] *= TOGETHER  # for as many tokens
    table.add(f"{name}, decode of {TOGETHER} sessions", "tokens/s",
              TOGETHER * args.steps, seconds)
    for session in sessions:
        session.close()


def measure_file(table, library, path, name, args):
    model = library.open(decoder=path)
    peer = peer_llama.Model(path, args.threads)
    sessions = {"libpandagpt": model.session(CONTEXT),
                "llama.cpp": peer.session(CONTEXT, peer_llama.F16)}
    measure_both(table, sessions, name, args)
    for session in sessions.values():
        session.close()
    peer.close()
    measure_together(table, model, name, args)
    model.close()


def get_versions():
    return [peer_llama.get_version(), peer_llama.get_features()]


def measure(table, args):
    library = panda.Library(args.build / "lib" / "libpandagpt.so",
                            args.threads)
    layers = min(args.blocks or make_llama.LAYERS, make_llama.LAYERS)
    if fnmatch.fnmatch(SMALL, args.rows):
        measure_file(table, library, models.fetch(args.folder),
                     "SmolLM2-135M Q4_1", args)
    for form in make_llama.FORMATS:
        if not fnmatch.fnmatch(form, args.rows):
            continue
        path = make_llama.get(args.folder, form, layers)
        suffix = f" ({layers} of {make_llama.LAYERS} layers)" \
            if layers < make_llama.LAYERS else ""
        measure_file(table, library, path, f"7B {form.upper()}{suffix}", args)
        if not args.keep:
            path.unlink()
    library.close()
