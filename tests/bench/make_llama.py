# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""GGUF decoders of LLaMA-7B's shapes with random blocks, for measuring speed:
layers hold the same numbers, each its own bytes of the file."""
import pathlib

import gguf
import numpy as np

HIDDEN, INTERMEDIATE, HEADS, VOCAB, LAYERS = 4096, 11008, 32, 32000, 32
TYPES = gguf.GGMLQuantizationType
# Type of most matrices, and of those that the usual mix keeps finer.
FORMATS = {"q4_0": (TYPES.Q4_0, TYPES.Q6_K), "q8_0": (TYPES.Q8_0, TYPES.Q8_0),
           "q4_k_m": (TYPES.Q4_K, TYPES.Q6_K)}
MATRICES = {"attn_q": (HIDDEN, HIDDEN), "attn_k": (HIDDEN, HIDDEN),
            "attn_v": (HIDDEN, HIDDEN), "attn_output": (HIDDEN, HIDDEN),
            "ffn_gate": (INTERMEDIATE, HIDDEN), "ffn_up": (INTERMEDIATE, HIDDEN),
            "ffn_down": (HIDDEN, INTERMEDIATE)}
# By type: offset and value of each f16 number of a block, so that weights are
# some 0.02; and bytes that must not be any number.
SCALES = {TYPES.Q4_0: [(0, 0.004)], TYPES.Q8_0: [(0, 0.00027)],
          TYPES.Q4_K: [(0, 1e-4), (2, 7.5e-4)], TYPES.Q6_K: [(208, 1.4e-4)]}


def make_matrix(random, kind, rows, columns):
    """[rows, bytes of a row] of random blocks."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    data = np.frombuffer(random.bytes(rows * columns // block * size),
                         np.uint8).reshape(-1, size).copy()
    for offset, value in SCALES[kind]:
        data[:, offset:offset + 2] = np.frombuffer(
            np.float16(value).tobytes(), np.uint8)
    if kind == TYPES.Q6_K:
        data[:, 192:208] &= 15
    return data.reshape(rows, -1)


def is_finer(form, name, layer, layers):
    """Whether a "_m" mix gives this matrix its finer type."""
    if not form.endswith("_m") or name not in ("attn_v", "ffn_down"):
        return False
    eighth = layers // 8
    return layer < eighth or layer >= 7 * eighth or \
        (layer - eighth) % 3 == 2


def write_head(writer, layers):
    writer.add_block_count(layers)
    writer.add_context_length(4096)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(VOCAB)
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    kinds = [2, 3, 3] + [6] * 256
    pieces += [f"w{i}" for i in range(len(pieces), VOCAB)]
    kinds += [1] * (VOCAB - len(kinds))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores([-float(i) for i in range(VOCAB)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def write(path, form, layers=LAYERS):
    random = np.random.default_rng(7)
    usual, finer = FORMATS[form]
    writer = gguf.GGUFWriter(path, "llama")
    write_head(writer, layers)
    ones = np.ones(HIDDEN, np.float32)
    made = {(name, kind): make_matrix(random, kind, *shape)
            for name, shape in MATRICES.items() for kind in {usual, finer}}

    def add(name, data, kind):
        writer.add_tensor(name, data, raw_dtype=kind)

    add("token_embd.weight", make_matrix(random, usual, VOCAB, HIDDEN), usual)
    for layer in range(layers):
        block = f"blk.{layer}."
        writer.add_tensor(block + "attn_norm.weight", ones)
        writer.add_tensor(block + "ffn_norm.weight", ones)
        for name in MATRICES:
            kind = finer if is_finer(form, name, layer, layers) else usual
            add(f"{block}{name}.weight", made[name, kind], kind)
    writer.add_tensor("output_norm.weight", ones)
    add("output.weight", make_matrix(random, finer, VOCAB, HIDDEN), finer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def get(folder, form, layers):
    path = pathlib.Path(folder) / f"llama-7b-{form}-{layers}.gguf"
    if not path.exists():
        part = path.with_suffix(".part")
        write(part, form, layers)
        part.rename(path)
    return path
