# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Conversations of libpandagpt through ctypes, beside
tests/interop/panda.py."""
import ctypes
from ctypes import byref, c_double, c_int32, c_uint32, c_void_p

import panda
from panda import sized

IMAGE = 1  # a modality


class Turn(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("prompt_tokens", c_uint32),
                ("reused_positions", c_uint32), ("token_count", c_uint32),
                ("tokens", c_void_p), ("prompt_seconds", c_double),
                ("generate_seconds", c_double)]


def answer(model, picture, question, count):
    """The turn of a question about a picture's file, of at most `count`
    tokens."""
    library, chat, turn = model.library, c_void_p(), sized(Turn)
    library.call("chat_create", byref(chat), model.handle, None)
    library.call("chat_attach_path", chat, c_int32(IMAGE),
                 str(picture).encode())
    options = sized(panda.GenerateOptions, sampling=panda.GREEDY,
                    max_tokens=count)
    library.call("chat_ask", chat, question.encode(), byref(options), None,
                 None)
    library.call("chat_get_turn", chat, byref(turn))
    library.dll.panda_chat_destroy(chat)
    return turn
