# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""The part of libpandagpt's C API that these tests need, through ctypes:
vocabularies and decoder sessions. Structs are those of include/pandagpt,
whose layout tests/abi pins."""
import ctypes
from ctypes import (POINTER, byref, c_char_p, c_double, c_float, c_int32,
                    c_size_t, c_uint32, c_uint64, c_void_p)

import numpy as np

END, E_ARGUMENT = 1, -10
GREEDY = 2
AUTO, EXACT = 0, 1  # precision
BOS, PARSE_SPECIAL, EOS = 1, 2, 4  # panda_model_tokenize


class RuntimeOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("api_version", c_uint32),
                ("alloc", c_void_p), ("free", c_void_p),
                ("alloc_user", c_void_p), ("log", c_void_p),
                ("log_user", c_void_p), ("log_level", c_int32),
                ("threads", c_uint32), ("parallel", c_void_p),
                ("parallel_user", c_void_p), ("cpu_mask", c_uint64),
                ("provider_mask", c_uint32), ("flags", c_uint32)]


class ModelOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("modalities", c_uint32),
                ("imagebind", c_char_p), ("imagebind_config", c_char_p),
                ("clip_vocab", c_char_p), ("decoder", c_char_p),
                ("tokenizer", c_char_p), ("adapter", c_char_p),
                ("lora_mode", c_int32), ("lora_alpha", c_float),
                ("progress", c_void_p), ("progress_user", c_void_p),
                ("precision", c_int32), ("source_count", c_uint32),
                ("sources", c_void_p), ("bundle", c_char_p),
                ("parts", c_uint32), ("reserved", c_uint32)]


class DecoderOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("context_length", c_uint32)]


class GenerateOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("max_tokens", c_uint32),
                ("sampling", c_int32), ("temperature", c_float),
                ("top_p", c_float), ("top_k", c_uint32), ("seed", c_uint64),
                ("stop", c_void_p), ("stop_tokens", c_void_p),
                ("stop_token_count", c_size_t), ("on_token", c_void_p),
                ("token_user", c_void_p)]


class ModelInfo(ctypes.Structure):
    _fields_ = [(name, c_uint32) for name in (
        "struct_size", "parts", "modalities", "embedding_dim", "hidden_dim",
        "layers", "heads", "kv_heads", "vocab_size", "context_length",
        "lora_rank", "lora_merged")] + [
            ("lora_alpha", c_float), ("rope_base", c_float),
            ("mapped_bytes", c_uint64), ("heap_bytes", c_uint64),
            ("encoder_format", c_char_p), ("decoder_format", c_char_p),
            ("precision", c_int32), ("tokenize_flags", c_uint32),
            ("encoder_math", c_char_p), ("decoder_math", c_char_p),
            ("bos_token", c_int32), ("eos_token", c_int32)]


class DecoderStats(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("context_length", c_uint32),
                ("positions", c_uint32), ("reserved", c_uint32),
                ("prompt_positions", c_uint64),
                ("generated_tokens", c_uint64), ("prompt_seconds", c_double),
                ("generate_seconds", c_double), ("cache_bytes", c_uint64),
                ("scratch_bytes", c_uint64)]


def sized(struct, **fields):
    return struct(struct_size=ctypes.sizeof(struct), **fields)


class PandaError(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Library:
    """libpandagpt.so at `path`, with one runtime."""

    def __init__(self, path, threads=0, cpu_mask=0):
        self.dll = ctypes.CDLL(str(path))
        self.dll.panda_error_get_message.restype = c_char_p
        self.dll.panda_version_get_string.restype = c_char_p
        self.runtime = c_void_p()
        self.call("runtime_create", byref(self.runtime), byref(
            sized(RuntimeOptions, threads=threads, cpu_mask=cpu_mask)))

    def call(self, name, *args, allowed=()):
        status = getattr(self.dll, "panda_" + name)(*args)
        if status < 0 and status not in allowed:
            raise PandaError(status, self.dll.panda_error_get_message().decode())
        return status

    def get_version(self):
        return self.dll.panda_version_get_string().decode()

    def open(self, precision=AUTO, modalities=0, **paths):
        """Model of decoder=PATH, tokenizer=PATH, imagebind=PATH..."""
        return Model(self, precision, modalities, paths)

    def close(self):
        self.dll.panda_runtime_destroy(self.runtime)


class Model:
    def __init__(self, library, precision, modalities, paths):
        self.library, self.handle = library, c_void_p()
        paths = {key: str(path).encode() for key, path in paths.items()}
        options = sized(ModelOptions, precision=precision,
                        modalities=modalities, **paths)
        library.call("model_open", byref(self.handle), library.runtime,
                     byref(options))
        self.info = sized(ModelInfo)
        library.call("model_get_info", self.handle, byref(self.info))

    def tokenize(self, text, flags=0):
        """Ids of a str or of bytes."""
        text = text.encode() if isinstance(text, str) else text
        ids, count = np.empty(len(text) + 8, np.int32), c_size_t()
        arguments = (byref(count), text, c_size_t(len(text)), c_uint32(flags))
        status = self.library.call(
            "model_tokenize", self.handle, ids.ctypes.data_as(c_void_p),
            c_size_t(len(ids)), *arguments, allowed=(E_ARGUMENT,))
        if status < 0 and count.value <= len(ids):
            raise PandaError(status, self.library.dll.panda_error_get_message())
        if status < 0:  # more ids than bytes: once more with room
            ids = np.empty(count.value, np.int32)
            self.library.call(
                "model_tokenize", self.handle, ids.ctypes.data_as(c_void_p),
                c_size_t(len(ids)), *arguments)
        return ids[:count.value].tolist()

    def get_ends(self):
        """Whether texts get BOS and EOS."""
        return (bool(self.info.tokenize_flags & BOS),
                bool(self.info.tokenize_flags & EOS))

    def detokenize(self, ids):
        """Bytes of a list of ids."""
        ids, length = np.asarray(ids, np.int32), c_size_t()
        arguments = (byref(length), ids.ctypes.data_as(c_void_p),
                     c_size_t(len(ids)))
        self.library.call("model_detokenize", self.handle, None, c_size_t(0),
                          *arguments, allowed=(E_ARGUMENT,))
        text = ctypes.create_string_buffer(max(length.value, 1))
        self.library.call("model_detokenize", self.handle, text,
                          c_size_t(length.value), *arguments)
        return text.raw[:length.value]

    def session(self, context):
        return Session(self, context)

    def close(self):
        self.library.dll.panda_model_close(self.handle)


def push_batch(sessions, ids):
    """A token to each of several sessions of one model, computed together."""
    handles = (c_void_p * len(sessions))(*(s.handle for s in sessions))
    sessions[0].library.call("decoder_push_batch", handles,
                             (c_int32 * len(ids))(*ids), c_size_t(len(ids)))


class Session:
    """A decoder session."""

    def __init__(self, model, context):
        self.model, self.library = model, model.library
        self.vocab = model.info.vocab_size
        self.handle = c_void_p()
        self.library.call("decoder_create", byref(self.handle), model.handle,
                          byref(sized(DecoderOptions, context_length=context)))

    def reset(self, keep=0):
        self.library.call("decoder_reset", self.handle, c_uint32(keep))

    def push(self, ids):
        ids = np.asarray(ids, np.int32)
        self.library.call("decoder_push_tokens", self.handle,
                          ids.ctypes.data_as(POINTER(c_int32)),
                          c_size_t(len(ids)))

    def get_logits(self):
        """[vocabulary] after the last position."""
        logits = np.empty(self.vocab, np.float32)
        self.library.call("decoder_read_logits", self.handle,
                          logits.ctypes.data_as(c_void_p),
                          c_size_t(logits.size))
        return logits

    def get_all_logits(self, first, positions):
        """[positions, vocabulary] from position `first` on."""
        logits = np.empty((positions, self.vocab), np.float32)
        self.library.call("decoder_read_logits_at", self.handle,
                          c_uint32(first), c_uint32(positions),
                          logits.ctypes.data_as(c_void_p),
                          c_size_t(logits.size))
        return logits

    def generate_greedy(self, count):
        """At most `count` tokens; one that ends the answer is the last."""
        ids, token = [], c_int32()
        options = sized(GenerateOptions, sampling=GREEDY)
        while len(ids) < count:
            status = self.library.call("decoder_next_token", self.handle,
                                       byref(token), byref(options))
            ids.append(token.value)
            if status == END:
                break
        return ids

    def get_stats(self):
        stats = sized(DecoderStats)
        self.library.call("decoder_get_stats", self.handle, byref(stats))
        return stats

    def close(self):
        self.library.dll.panda_decoder_destroy(self.handle)
