# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Decoder rows: prompts and single tokens, from the same files as llama.cpp."""
import make_llama
import models
import panda
import peer_llama
from harness import measure_in_turn

CONTEXT = 1024


def prefill(session, ids):
    """The same for both sides: their sessions have the same methods."""
    def work():
        session.reset()
        session.push(ids)
        session.get_logits()
    return work


def decode(session, ids, count):
    """`count` steps behind the prompt `ids`, which is there already."""
    def work():
        session.reset(len(ids))
        for i in range(count):
            session.push([100 + i])
            session.get_logits()
    return work


def measure_file(table, library, path, name, args):
    model = library.open(decoder=path)
    peer = peer_llama.Model(path, args.threads)
    sessions = {"libpandagpt": model.session(CONTEXT),
                "llama.cpp": peer.session(CONTEXT, peer_llama.F16)}
    for length in (128, 512):
        ids = [300 + i * 7 % 5000 for i in range(length)]
        table.add(f"{name}, prefill {length}", "tokens/s", length,
                  measure_in_turn({side: prefill(session, ids) for
                                   side, session in sessions.items()},
                                  args.rounds))
    for session in sessions.values():
        session.reset()
        session.push(ids[:128])
    table.add(f"{name}, decode", "tokens/s", args.steps, measure_in_turn(
        {side: decode(session, ids[:128], args.steps)
         for side, session in sessions.items()}, args.rounds))
    for thing in (*sessions.values(), model, peer):
        thing.close()


def get_versions():
    return [peer_llama.get_version(), peer_llama.get_features()]


def measure(table, args):
    library = panda.Library(args.build / "lib" / "libpandagpt.so",
                            args.threads)
    layers = 4 if args.quick else make_llama.LAYERS
    measure_file(table, library, models.fetch(args.folder),
                 "SmolLM2-135M Q4_1", args)
    for form in make_llama.FORMATS:
        path = make_llama.get(args.folder, form, layers)
        suffix = f" ({layers} of 32 layers)" if args.quick else ""
        measure_file(table, library, path, f"7B {form.upper()}{suffix}", args)
        if not args.keep:
            path.unlink()
    library.close()
