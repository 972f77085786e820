# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""llama.cpp through the low-level calls of llama-cpp-python, with the methods
of panda.py, so that checks read alike for both."""
import ctypes

import llama_cpp as ll
import numpy as np

F32, F16 = 0, 1  # GGML types of the key/value cache


@ll.llama_log_callback
def _be_silent(level, text, user):
    del level, text, user


ll.llama_log_set(_be_silent, ctypes.c_void_p(0))
ll.llama_backend_init()


def get_version():
    return f"llama-cpp-python {ll.__version__}"


def get_features():
    """The instruction sets of this build."""
    return ll.llama_print_system_info().decode()


class Model:
    def __init__(self, path, threads, vocab_only=False):
        params = ll.llama_model_default_params()
        params.vocab_only = vocab_only
        self.threads = threads
        self.handle = ll.llama_model_load_from_file(str(path).encode(), params)
        if not self.handle:
            raise RuntimeError(f"llama.cpp does not open {path}")
        self.vocabulary = ll.llama_model_get_vocab(self.handle)
        self.vocab = ll.llama_vocab_n_tokens(self.vocabulary)

    def tokenize(self, text, parse_special=False):
        """Ids of a str or of bytes."""
        text = text.encode() if isinstance(text, str) else text
        room = 2 * len(text) + 16
        ids = (ll.llama_token * room)()
        count = ll.llama_tokenize(self.vocabulary, text, len(text), ids, room,
                                  False, parse_special)
        if count < 0:
            raise RuntimeError(f"{-count} tokens of {len(text)} bytes")
        return ids[:count]

    def get_ends(self):
        """Whether texts get BOS and EOS."""
        return (bool(ll.llama_vocab_get_add_bos(self.vocabulary)),
                bool(ll.llama_vocab_get_add_eos(self.vocabulary)))

    def ends_answer(self, token):
        return ll.llama_vocab_is_eog(self.vocabulary, token)

    def session(self, context, cache=F32):
        return Session(self, context, cache)

    def close(self):
        ll.llama_model_free(self.handle)


class Session:
    """`cache` F32 without flash attention is llama.cpp's most exact way, F16
    its default."""

    def __init__(self, model, context, cache):
        params = ll.llama_context_default_params()
        params.n_ctx, params.n_batch = context, context
        params.n_threads = params.n_threads_batch = model.threads
        if cache == F32:
            params.type_k = params.type_v = F32
            params.flash_attn_type = ll.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.model, self.positions = model, 0
        self.handle = ll.llama_init_from_model(model.handle, params)
        if not self.handle:
            raise RuntimeError("llama.cpp makes no session")
        self.batch = ll.llama_batch_init(context, 0, 1)

    def reset(self, keep=0):
        memory = ll.llama_get_memory(self.handle)
        if keep == 0:
            ll.llama_memory_clear(memory, False)
        else:
            ll.llama_memory_seq_rm(memory, 0, keep, -1)
        self.positions = keep

    def push(self, ids, all_logits=False):
        batch, count = self.batch, len(ids)
        batch.n_tokens = count
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i] = token, self.positions + i
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
            batch.logits[i] = all_logits or i == count - 1
        self.decode(batch)

    def push_embeddings(self, rows):
        """[count, width] instead of tokens."""
        rows = np.ascontiguousarray(rows, np.float32)
        batch = ll.llama_batch_init(len(rows), rows.shape[1], 1)
        batch.n_tokens = len(rows)
        ctypes.memmove(batch.embd, rows.ctypes.data, rows.nbytes)
        for i in range(len(rows)):
            batch.pos[i] = self.positions + i
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
            batch.logits[i] = i == len(rows) - 1
        self.decode(batch)
        ll.llama_batch_free(batch)

    def decode(self, batch):
        if ll.llama_decode(self.handle, batch) != 0:
            raise RuntimeError("llama.cpp does not decode")
        self.positions += batch.n_tokens

    def get_logits(self):
        """[vocabulary] after the last position."""
        row = ll.llama_get_logits_ith(self.handle, -1)
        return np.ctypeslib.as_array(row, (self.model.vocab,)).copy()

    def push_for_all_logits(self, ids):
        """[positions, vocabulary] of what is pushed."""
        self.push(ids, True)
        rows = ll.llama_get_logits(self.handle)
        return np.ctypeslib.as_array(rows,
                                     (len(ids), self.model.vocab)).copy()

    def generate_greedy(self, count):
        """At most `count` tokens; one that ends the answer is the last."""
        ids = []
        while len(ids) < count:
            ids.append(int(self.get_logits().argmax()))
            if self.model.ends_answer(ids[-1]):
                break
            self.push(ids[-1:])
        return ids

    def close(self):
        ll.llama_batch_free(self.batch)
        ll.llama_free(self.handle)


FORMATS = {"f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9,
           "q2_k": 10, "q3_k_m": 12, "q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16,
           "q5_k_m": 17, "q6_k": 18, "iq4_nl": 25, "iq4_xs": 30, "bf16": 32}


def quantize(source, target, form, threads):
    """Write `target` from `source` in one of FORMATS, as llama-quantize."""
    params = ll.llama_model_quantize_default_params()
    params.ftype, params.nthread = FORMATS[form], threads
    if ll.llama_model_quantize(str(source).encode(), str(target).encode(),
                               ctypes.byref(params)) != 0:
        raise RuntimeError(f"llama.cpp does not quantise to {form}")
