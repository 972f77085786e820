# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Encoders, projection and prefixes of libpandagpt through ctypes, beside
tests/interop/panda.py."""
import ctypes
from ctypes import (POINTER, byref, c_char_p, c_double, c_float, c_int32,
                    c_int64, c_size_t, c_uint32, c_uint64, c_void_p)

import numpy as np

from panda import sized

MODALITIES = ("image", "video", "audio", "depth", "thermal", "imu", "text")
BYTES, RAW = 2, 3                     # sources
U8, U16, I16, I32, F32 = 1, 2, 3, 4, 5             # elements
SCALED, RAW_OUTPUT, PANDAGPT = 1, 3, 4  # outputs


class Input(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("modality", c_int32),
                ("source", c_int32), ("element", c_int32), ("path", c_char_p),
                ("data", c_void_p), ("size", c_uint64), ("width", c_uint32),
                ("height", c_uint32), ("channels", c_uint32),
                ("reserved", c_uint32), ("row_stride", c_uint64),
                ("frame_stride", c_uint64), ("count", c_uint64),
                ("rate", c_double), ("options", c_void_p * 7)]


TRACE = ctypes.CFUNCTYPE(None, c_char_p, POINTER(c_float), POINTER(c_int64),
                         c_uint32, c_void_p)


class EncodeOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("output", c_int32),
                ("progress", c_void_p), ("progress_user", c_void_p),
                ("trace", TRACE), ("trace_user", c_void_p)]


def get_bit(modality):
    """In a mask of modalities."""
    return 1 << (MODALITIES.index(modality) + 1)


def make_input(modality, data, **fields):
    """Raw data in an array, which must outlive the input."""
    return sized(Input, modality=MODALITIES.index(modality) + 1, source=RAW,
                 data=data.ctypes.data, size=data.nbytes, **fields)


class Encoder:
    """An encoder session of a panda.Model."""

    def __init__(self, model):
        self.library, self.handle = model.library, c_void_p()
        self.math = model.info.encoder_math.decode()
        self.library.call("encoder_create", byref(self.handle), model.handle,
                          None)

    def encode(self, inputs, output=SCALED, trace=TRACE()):
        """Handles of embeddings, to be released by `release`."""
        out = (c_void_p * len(inputs))()
        pointers = (c_void_p * len(inputs))(
            *(ctypes.addressof(item) for item in inputs))
        self.library.call("encoder_encode_batch", out, self.handle, pointers,
                          c_size_t(len(inputs)), byref(
                              sized(EncodeOptions, output=output,
                                    trace=trace)))
        return out

    def release(self, embeddings):
        for handle in embeddings:
            self.library.dll.panda_embedding_unref(c_void_p(handle))

    def read(self, inputs, output=RAW_OUTPUT):
        """[inputs, dimension]"""
        handles = self.encode(inputs, output)
        get_dim = self.library.dll.panda_embedding_get_dim
        out = np.empty((len(inputs), get_dim(c_void_p(handles[0]))),
                       np.float32)
        for row, handle in zip(out, handles):
            self.library.call("embedding_read_f32", c_void_p(handle),
                              row.ctypes.data_as(c_void_p),
                              c_uint32(len(row)))
        self.release(handles)
        return out

    def preprocess(self, inputs):
        """What the tower is given: [items, ...] of one input after the
        other, token ids as floats."""
        seen = []

        @TRACE
        def keep(stage, values, shape, rank, user):
            del user
            if stage == b"preprocessed":
                size = tuple(shape[:rank])
                seen.append(np.ctypeslib.as_array(values, size).copy())

        self.release(self.encode(inputs, trace=keep))
        return np.concatenate(seen)

    def close(self):
        self.library.dll.panda_encoder_destroy(self.handle)


class Projector:
    """A projector session of a panda.Model."""

    def __init__(self, model):
        self.library, self.handle = model.library, c_void_p()
        self.library.call("projector_create", byref(self.handle),
                          model.handle)

    def push(self, session, embeddings):
        """The projection of embeddings, behind what a session has."""
        prefix = c_void_p()
        self.library.call("projector_project", byref(prefix), self.handle,
                          embeddings, c_size_t(len(embeddings)))
        self.library.call("decoder_push_prefix", session.handle, prefix)
        self.library.dll.panda_prefix_unref(prefix)

    def close(self):
        self.library.dll.panda_projector_destroy(self.handle)
