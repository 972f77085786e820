# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Decoders that `panda convert --only decoder` writes: the gguf package must
read back what went in, and llama.cpp must say what we say."""
import pathlib
import subprocess

import gguf
import numpy as np

import check_greedy
import models
import panda
import peer_llama
from prompts import PROMPTS

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
# Root mean square error at most, in that of the values.
FORMATS = {"f16": 0.001, "bf16": 0.005, "q8_0": 0.01, "q6_k": 0.03,
           "q5_k_m": 0.05, "q5_k_s": 0.05, "q5_1": 0.05, "q5_0": 0.06,
           "q4_k_m": 0.1, "q4_k_s": 0.1, "q4_1": 0.1, "q4_0": 0.12,
           "iq4_nl": 0.1, "iq4_xs": 0.1, "q3_k_m": 0.2, "q2_k": 0.35}
SOME = [PROMPTS[i] for i in (0, 7, 11, 15)]


def convert(program, output, sources, form="keep"):
    subprocess.run([program, "convert", *map(str, sources), "--only",
                    "decoder", "--decoder-format", form, "-o", str(output)],
                   check=True)
    return output


def measure_error(values, expected):
    norm = np.sqrt(np.mean(expected ** 2))
    return np.sqrt(np.mean((values - expected) ** 2)) / max(norm, 1e-30)


def compare_tensors(name, path, source, limit):
    """Whether the gguf package finds the source's tensors in the file."""
    fields, tensors = models.read(path)
    old_fields, old_tensors = models.read(source)
    lists = [key for key in old_fields if key.startswith("tokenizer.")]
    lost = [key for key in lists if key not in fields or
            fields[key].contents() != old_fields[key].contents()]
    same = (fields["general.architecture"].contents() == "llama" and
            tensors.keys() == old_tensors.keys() and not lost)
    if not same:
        print(f"{name}: other tensors or keys: {lost}",
              sorted(tensors.keys() ^ old_tensors.keys()))
        return False
    worst = max(measure_error(tensors[key], old_tensors[key])
                for key in tensors)
    print(f"{name}: {len(tensors)} tensors read back, error at most "
          f"{worst:.4f} of their size", flush=True)
    return worst <= limit


def check_format(library, program, folder, form, threads):
    """Quantised by us: read by gguf, run by llama.cpp, as it is and as the
    floats that the gguf package makes of it."""
    source = models.get_source(folder, "_k" in form or form == "iq4_xs")
    path = convert(program, folder / f"ours-{form}.gguf", [source], form)
    well = compare_tensors(path.name, path, source, FORMATS[form])
    peer_llama.Model(path, threads).close()
    plain = models.write_plain(path)
    well = check_greedy.compare_exactly(library, path, plain, threads,
                                        SOME) and well
    path.unlink()
    plain.unlink()
    return well


def check_plain(library, program, folder, threads):
    """Floats on both sides: every token must agree."""
    source = models.get_f32(folder)
    path = convert(program, folder / "ours-f32.gguf", [source])
    well = compare_tensors(path.name, path, source, 0)
    well = check_greedy.compare_exactly(library, path, path, threads,
                                        SOME) and well
    path.unlink()
    return well


def check_published(library, program, folder, threads):
    """From an HF folder with SentencePiece vocabulary and a PandaGPT delta."""
    sources = [GOLDEN / "vicuna_tiny", GOLDEN / "pandagpt_tiny.pt"]
    path = convert(program, folder / "ours-vicuna.gguf", sources, "f32")
    model = library.open(decoder=sources[0], adapter=sources[1],
                         precision=panda.EXACT)
    peer = peer_llama.Model(path, threads)
    well = check_greedy.compare("vicuna_tiny and its delta", model, peer,
                                ["What is in this picture?", "### Human: a",
                                 "Привет", "x </s> 12", "The sea"])
    model.close()
    peer.close()
    path.unlink()
    return well


def check(library, program, folder, threads):
    results = [check_published(library, program, folder, threads),
               check_plain(library, program, folder, threads)]
    results += [check_format(library, program, folder, form, threads)
                for form in FORMATS]
    return all(results)
