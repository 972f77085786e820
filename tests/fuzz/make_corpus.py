#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Write the seeds of the fuzz targets: python3 make_corpus.py [folder].

Needs only Python: modules with torch's names stand in for it, so that the
pickles are those that Python itself writes. Running it again gives the same
bytes."""
import collections
import io
import json
import pathlib
import pickle
import struct
import sys
import types
import zipfile

FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                      pathlib.Path(__file__).parent / "corpus")


def make_torch():
    torch = types.ModuleType("torch")
    utils = types.ModuleType("torch._utils")
    for name in ("Float", "Half", "BFloat16", "Long", "Byte"):
        storage = type(name + "Storage", (), {"__module__": "torch"})
        setattr(torch, name + "Storage", storage)
    for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        def call(*_):
            return None
        call.__module__, call.__name__ = "torch._utils", name
        call.__qualname__ = name
        setattr(utils, name, call)
    sys.modules.update({"torch": torch, "torch._utils": utils})
    return torch, utils


TORCH, UTILS = make_torch()


class Storage:
    def __init__(self, kind, key, count, place="cpu"):
        self.id = ("storage", getattr(TORCH, kind + "Storage"), key, place,
                   count)


class Tensor:
    def __init__(self, storage, offset, shape, strides):
        self.args = (storage, offset, shape, strides, False,
                     collections.OrderedDict())

    def __reduce__(self):
        return UTILS._rebuild_tensor_v2, self.args


class Parameter:
    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce__(self):
        return UTILS._rebuild_parameter, (self.tensor, True,
                                          collections.OrderedDict())


class Pickler(pickle._Pickler):
    """The pickler in Python, since the other one takes no stand-ins."""

    def persistent_id(self, obj):
        return obj.id if isinstance(obj, Storage) else None


def pickled(value, protocol):
    out = io.BytesIO()
    Pickler(out, protocol).dump(value)
    return out.getvalue()


class Pipe(io.RawIOBase):
    """Cannot seek: makes zipfile write data descriptors, as torch does."""

    def __init__(self):
        super().__init__()
        self.bytes = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.bytes += data
        return len(data)


def archive(value, storages, protocol=2, root="archive", descriptors=True,
            zip64=False):
    out = Pipe() if descriptors else io.BytesIO()
    entries = {"data.pkl": pickled(value, protocol), "byteorder": b"little"}
    entries.update({"data/" + key: data for key, data in storages.items()})
    entries["version"] = b"3\n"
    with zipfile.ZipFile(out, "w") as file:
        for name, data in entries.items():
            info = zipfile.ZipInfo(f"{root}/{name}", (1980, 1, 1, 0, 0, 0))
            with file.open(info, "w", force_zip64=zip64) as entry:
                entry.write(data)
    return bytes(out.bytes) if descriptors else out.getvalue()


def floats(count):
    return struct.pack(f"<{count}f", *range(count))


def tensors():
    one = Storage("Float", "0", 12)
    return {"weight": Tensor(one, 0, (3, 4), (4, 1)),
            "transposed": Tensor(one, 0, (4, 3), (1, 4)),
            "bias": Tensor(one, 8, (4,), (1,)),
            "scale": Tensor(one, 3, (), ())}


def write_weights():
    data = {"0": floats(12)}
    state = collections.OrderedDict(tensors())
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    files = {
        "torch_plain.pt": archive(tensors(), data),
        "torch_module.pth": archive(state, data),
        "torch_protocol4.pt": archive(tensors(), data, 4),
        "torch_protocol5.pt": archive(tensors(), data, 5, "a"),
        "torch_zip64.pt": archive(tensors(), data, zip64=True),
        "torch_no_descriptors.pt": archive(tensors(), data,
                                           descriptors=False),
        "torch_nested.pt": archive(
            {"epoch": 3, "lr": 0.5, "args": [1, None, "x", 1 << 70],
             "state_dict": tensors()}, data),
        "torch_delta.pt": archive(
            {f"layers.{i}.lora_A": Parameter(
                Tensor(Storage("Half", "0", 24, "cuda:0"), 4 * i, (2, 2),
                       (2, 1))) for i in range(6)}, data),
        "torch_code.pt": archive({"x": print}, data),
        "torch_empty.pt": archive({}, data),
        "legacy.pt": pickle.dumps(0x1950a86a20f9469cfc6c, 2),
        "pickle.pkl": pickle.dumps({"a": 1}, 2),
        "pointer": b"version https://git-lfs.github.com/spec/v1\n",
        "page.html": b"<!DOCTYPE html>\n",
    }
    header = {"__metadata__": {"format": "pt"},
              "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
              "b": {"dtype": "F16", "shape": [], "data_offsets": [24, 26]},
              "c": {"dtype": "U8", "shape": [0, 7], "data_offsets": [26, 26]},
              "d": {"dtype": "I64", "shape": [1], "data_offsets": [26, 34]}}
    text = json.dumps(header).encode()
    files["model.safetensors"] = (struct.pack("<Q", len(text)) + text +
                                  bytes(34))
    files["empty.safetensors"] = struct.pack("<Q", 2) + b"{}"
    return files


def write_json():
    values = {
        "config": {"hidden_size": 64, "rms_norm_eps": 1e-06, "eos": [1, 2],
                   "rope_scaling": None, "tied": True},
        "index": {"metadata": {"total_size": 7}, "weight_map":
                  {f"layers.{i}.weight": "a-00001.bin" for i in range(20)}},
        "unicode": ["\u00e9\u20ac\U0001f43c", "\"\\/\b\f\n\r\t", ""],
    }
    files = {name: json.dumps(value).encode()
             for name, value in values.items()}
    files["numbers"] = (b"[0,-0,1.5e-3,9223372036854775807,1E22,"
                        b"123456789012345678901234567890.5e-400]")
    files["nested"] = b"[" * 64 + b"]" * 64
    files["too_deep"] = b"{\"a\":" * 65 + b"1" + b"}" * 65
    files["twice"] = b"{\"a\":1,\"\\u0061\":2}"
    files["utf8"] = "{\"\u00e9\": \"\U0001f43c\"}".encode()
    return files


def write_tokenizer():
    """The small models of tests/golden/make_tokenizer.py, and in JSON."""
    golden = pathlib.Path(__file__).parents[1] / "golden" / "tokenizer.json"
    models = json.loads(golden.read_text())["models"]
    files = {model["name"]: bytes.fromhex(model["hex"]) for model in models}
    files["bytes.json"] = json.dumps({
        "added_tokens": [
            {"id": 6, "content": "<x>", "special": True, "lstrip": True},
            {"id": 7, "content": "b c", "normalized": True, "rstrip": True,
             "single_word": True}],
        "pre_tokenizer": {"type": "ByteLevel"},
        "model": {"vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3, "c": 4,
                            "\u0120ab": 5},
                  "merges": ["a b", "\u0120 ab"], "ignore_merges": True}
        }).encode()
    files["spaces.json"] = json.dumps({
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"},
            {"type": "Replace", "pattern": {"String": " "},
             "content": "\u2581"}]},
        "model": {"type": "BPE", "byte_fallback": True, "fuse_unk": True,
                  "unk_token": "<unk>",
                  "vocab": {"<unk>": 0, "<0x22>": 1, "\u2581": 2, "e": 3,
                            "\u2581e": 4},
                  "merges": [["\u2581", "e"]]}}).encode()
    files["llama.gguf"] = write_vocabulary(
        "llama", ["<unk>", "<s>", "</s>", "\u2581", "a", "\u2581a", "<u>"],
        [2, 3, 3, 1, 1, 1, 4], [])
    files["gpt2.gguf"] = write_vocabulary(
        "gpt2", ["<s>", "a", "b", "ab", "\u0120", "\u0120ab", "<t>", ""],
        [3, 1, 1, 1, 1, 1, 4, 5], ["a b", "\u0120 ab"])
    return files


def write_vocabulary(model, tokens, types, merges):
    integer, number, flag, word, many, signed = 4, 6, 7, 8, 9, 5
    key = "tokenizer.ggml."
    return gguf([
        (key + "model", word, text(model)),
        (key + "pre", word, text("llama-bpe")),
        (key + "tokens", many, array(word, [text(t) for t in tokens])),
        (key + "scores", many,
         array(number, [struct.pack("<f", -i) for i in range(len(tokens))])),
        (key + "token_type", many,
         array(signed, [struct.pack("<i", t) for t in types])),
        (key + "merges", many, array(word, [text(m) for m in merges])),
        (key + "bos_token_id", integer, struct.pack("<I", types.index(3))),
        (key + "add_bos_token", flag, b"\1"),
        (key + "add_space_prefix", flag, b"\0")], [])


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def gguf(keys, tensors, version=3, alignment=32):
    """keys: name, type, bytes; tensors: name, type, sizes, bytes."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    for name, kind, value in keys:
        head += text(name) + struct.pack("<I", kind) + value
    data = b""
    for name, kind, sizes, content in tensors:
        head += text(name) + struct.pack("<I", len(sizes))
        head += struct.pack(f"<{len(sizes)}Q", *sizes)
        head += struct.pack("<IQ", kind, len(data))
        data += content + bytes(-len(content) % alignment)
    return head + bytes(-len(head) % alignment) + data


def array(kind, items):
    return struct.pack("<IQ", kind, len(items)) + b"".join(items)


def write_gguf():
    integer, number, word, many = 4, 6, 8, 9
    keys = [("general.architecture", word, text("llama")),
            ("llama.block_count", integer, struct.pack("<I", 1)),
            ("llama.embedding_length", integer, struct.pack("<I", 32)),
            ("llama.feed_forward_length", integer, struct.pack("<I", 32)),
            ("llama.attention.head_count", integer, struct.pack("<I", 2)),
            ("llama.attention.layer_norm_rms_epsilon", number, floats(2)[4:]),
            ("tokenizer.ggml.tokens", many,
             array(word, [text(t) for t in ("<s>", "a", "\u00e9", "")])),
            ("tokenizer.ggml.scores", many, array(number, [floats(1)] * 4)),
            ("tokenizer.ggml.bos_token_id", integer, bytes(4))]
    kinds = {0: 1, 1: -1, 2: 256, 3: -256, 4: 1 << 31, 5: -1 << 31,
             10: 1 << 63, 11: -1 << 63}
    codes = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 10: "Q", 11: "q"}
    scalars = [(f"x.{kind}", kind, struct.pack("<" + codes[kind], value))
               for kind, value in kinds.items()]
    scalars += [("x.true", 7, b"\1"), ("x.12", 12, struct.pack("<d", 0.5)),
                ("x.nested", many, array(many, [array(0, [b"1", b"2"]),
                                                array(word, [text("y")])]))]
    blocks = [("token_embd.weight", 8, (32, 4), bytes(4 * 34)),
              ("f32", 0, (3, 2), floats(6)), ("f16", 1, (5,), bytes(10)),
              ("q6_k", 14, (256, 1), bytes(210)),
              ("iq4_xs", 23, (256,), bytes(136))]
    split = [("split.no", 2, bytes(2)), ("split.count", 2, b"\2\0"),
             ("split.tensors.count", 5, struct.pack("<i", 10))]
    return {"decoder.gguf": gguf(keys, blocks),
            "version2.gguf": gguf(keys, blocks, 2),
            "vocabulary.gguf": gguf(keys, []),
            "types.gguf": gguf(scalars, []),
            "aligned.gguf": gguf([("general.alignment", integer,
                                   struct.pack("<I", 64))], blocks, 3, 64),
            "split.gguf": gguf(split, blocks),
            "empty.gguf": gguf([], [])}


def main():
    for kind, files in (("weights", write_weights()), ("json", write_json()),
                        ("gguf", write_gguf()),
                        ("tokenizer", write_tokenizer())):
        folder = FOLDER / kind
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)


main()
