#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Write random weights of the published sizes in the published layouts:
ImageBind-huge as a torch zip pickle, LLaMA-7B as an HF folder of two f16
shards, PandaGPT's delta as views of one storage. About 19 GB; needs only
Python itself.

usage: make_full_size.py FOLDER [--layers N]   (fewer layers: a quick look)
"""
import argparse
import collections
import json
import pathlib
import pickle
import struct
import sys
import types
import zipfile

BLOCK = 1 << 24  # values in the repeated block of random numbers


class Storage:
    """Stands for a torch storage: told to the pickle by persistent id."""

    def __init__(self, kind, key, count, device="cpu"):
        self.pid = ("storage", kind, str(key), device, count)


def fake_torch():
    """Modules with the few names that a state dict's pickle refers to."""
    torch = types.ModuleType("torch")
    utils = types.ModuleType("torch._utils")
    for name in ("FloatStorage", "HalfStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        def function(*_):
            raise NotImplementedError
        function.__name__ = function.__qualname__ = name
        function.__module__ = "torch._utils"
        setattr(utils, name, function)
    sys.modules["torch"], sys.modules["torch._utils"] = torch, utils
    return torch, utils


TORCH, UTILS = fake_torch()


class Tensor:
    def __init__(self, storage, offset, shape, parameter=False):
        self.storage, self.offset = storage, offset
        self.shape, self.parameter = tuple(shape), parameter

    def __reduce__(self):
        stride, strides = 1, []
        for size in reversed(self.shape):
            strides.insert(0, stride)
            stride *= size
        rebuilt = (UTILS._rebuild_tensor_v2,
                   (self.storage, self.offset, self.shape, tuple(strides),
                    False, collections.OrderedDict()))
        if not self.parameter:
            return rebuilt
        inner = Tensor(self.storage, self.offset, self.shape)
        return (UTILS._rebuild_parameter,
                (inner, True, collections.OrderedDict()))


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Storage) else None


def count_of(shape):
    count = 1
    for size in shape:
        count *= size
    return count


class Random:
    """Small numbers of both signs, from one block repeated at odd offsets."""

    def __init__(self, seed):
        state, words = seed, []
        for _ in range(1 << 15):
            state = (state * 6364136223846793005 + 1442695040888963407) \
                & (1 << 64) - 1
            words.append(state >> 32)
        base = struct.pack(f"<{len(words)}I", *words)
        raw = bytearray()
        while len(raw) < 4 * BLOCK:
            shift = len(raw) // len(base) * 7 % len(base)
            raw += base[shift:] + base[:shift]
        half = bytearray(raw[:2 * BLOCK])
        # f16 of 2^-8..2^-6, f32 of 2^-8..2^-5: sign and low bits are random.
        half[1::2] = half[1::2].translate(bytes(
            (b & 0x80) | 0x1c | (b & 0x07) for b in range(256)))
        raw[3::4] = raw[3::4].translate(bytes(
            (b & 0x80) | 0x3c for b in range(256)))
        self.blocks = {2: bytes(half), 4: bytes(raw)}
        self.next = 0

    def write(self, to, count, size):
        block = self.blocks[size]
        self.next = (self.next + 1009 * size) % (len(block) // 2)
        at, left = self.next // size * size, count * size
        while left > 0:
            piece = block[at:at + left]
            to.write(piece)
            left -= len(piece)
            at = 0


def is_norm_weight(name):
    parts = name.split(".")
    return parts[-1] == "weight" and (
        "norm" in parts[-2] or name.endswith(("pre_transformer_layer.0.weight",
                                              "heads.vision.0.weight"))
        or (parts[0] == "modality_heads" and parts[-2] == "0"))


def open_entry(archive, name):
    """Open a member whose data begins at a multiple of 64, as torch does it:
    by an "FB" field of padding in the local header."""
    info = zipfile.ZipInfo(name)
    before = archive.fp.tell() + 30 + len(name) + 20 + 4  # 20: zip64's field
    padding = -before % 64
    info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
    return archive.open(info, "w", force_zip64=True)


def write_checkpoint(path, shapes, size, random, flat_device=None):
    """One torch zip file: a storage a tensor, or one flat storage of views."""
    kind = TORCH.FloatStorage if size == 4 else TORCH.HalfStorage
    one = struct.pack("<f", 1.0) if size == 4 else struct.pack("<e", 1.0)
    tensors, total = collections.OrderedDict(), 0
    for key, (name, shape) in enumerate(shapes.items()):
        count = count_of(shape)
        if flat_device:
            tensors[name] = Tensor(None, total, shape, parameter=True)
        else:
            tensors[name] = Tensor(Storage(kind, key, count), 0, shape)
        total += count
    if flat_device:
        flat = Storage(kind, 0, total, flat_device)
        for tensor in tensors.values():
            tensor.storage = flat
    stem = path.stem
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        with archive.open(f"{stem}/data.pkl", "w") as to:
            Pickler(to, protocol=2).dump(tensors)
        if flat_device:
            with open_entry(archive, f"{stem}/data/0") as to:
                random.write(to, total, size)
        else:
            for key, (name, shape) in enumerate(shapes.items()):
                with open_entry(archive, f"{stem}/data/{key}") as to:
                    if name.endswith("log_logit_scale"):
                        to.write(struct.pack("<f", 2.3))
                    elif is_norm_weight(name):
                        to.write(one * count_of(shape))
                    else:
                        random.write(to, count_of(shape), size)
        archive.writestr(f"{stem}/version", "3\n")


TOWERS = {  # width, blocks, tokens, bias_k and bias_v
    "vision": (1280, 32, 257, False), "text": (1024, 24, 77, False),
    "audio": (768, 12, 229, True), "depth": (384, 12, 197, True),
    "thermal": (768, 12, 197, True), "imu": (512, 6, 251, True),
}


def stem_shapes(name, width, tokens):
    pre = f"modality_preprocessors.{name}."
    if name == "text":
        return {pre + "pos_embed": (1, tokens, width),
                pre + "mask": (tokens, tokens),
                pre + "token_embedding.weight": (49408, width)}
    shapes = {pre + "cls_token": (1, 1, width)}
    if name == "imu":
        shapes[pre + "pos_embed"] = (1, tokens, width)
        stem, kernel = "imu_stem", (width, 48)
    else:
        shapes[pre + "pos_embedding_helper.pos_embed"] = (1, tokens, width)
        stem = "depth_stem" if name == "depth" else "rgbt_stem"
        kernel = (width, 1, 16, 16)
    if name == "vision":
        shapes[pre + "rgbt_stem.proj.1.weight"] = (width, 3, 2, 14, 14)
        return shapes
    shapes[f"{pre}{stem}.proj.weight"] = kernel
    shapes[f"{pre}{stem}.norm_layer.weight"] = (width,)
    shapes[f"{pre}{stem}.norm_layer.bias"] = (width,)
    return shapes


def block_shapes(prefix, width, has_bias):
    shapes = {"attn.in_proj_weight": (3 * width, width),
              "attn.in_proj_bias": (3 * width,),
              "attn.out_proj.weight": (width, width),
              "attn.out_proj.bias": (width,),
              "norm_1.weight": (width,), "norm_1.bias": (width,),
              "mlp.fc1.weight": (4 * width, width), "mlp.fc1.bias": (4 * width,),
              "mlp.fc2.weight": (width, 4 * width), "mlp.fc2.bias": (width,),
              "norm_2.weight": (width,), "norm_2.bias": (width,)}
    if has_bias:
        shapes["attn.bias_k"] = shapes["attn.bias_v"] = (1, 1, width)
    return {prefix + key: shape for key, shape in shapes.items()}


def imagebind_shapes(layers):
    shapes = {}
    for name, (width, blocks, tokens, has_bias) in TOWERS.items():
        shapes |= stem_shapes(name, width, tokens)
        trunk = f"modality_trunks.{name}."
        if name == "vision":
            shapes[trunk + "pre_transformer_layer.0.weight"] = (width,)
            shapes[trunk + "pre_transformer_layer.0.bias"] = (width,)
        for i in range(min(blocks, layers)):
            shapes |= block_shapes(f"{trunk}blocks.{i}.", width, has_bias)
        head = f"modality_heads.{name}."
        norm, linear = {"text": ("proj.0", "proj.1"),
                        "imu": ("0", "3")}.get(name, ("0", "2"))
        shapes[f"{head}{norm}.weight"] = shapes[f"{head}{norm}.bias"] = (width,)
        shapes[f"{head}{linear}.weight"] = (1024, width)
        if name != "vision":
            shapes[f"modality_postprocessors.{name}.1.log_logit_scale"] = ()
    return shapes


HIDDEN, INTERMEDIATE, VOCAB, RANK = 4096, 11008, 32001, 32


def llama_shapes(layers):
    shapes = {"model.embed_tokens.weight": (VOCAB, HIDDEN)}
    for i in range(layers):
        pre = f"model.layers.{i}."
        for name in "qkvo":
            shapes[f"{pre}self_attn.{name}_proj.weight"] = (HIDDEN, HIDDEN)
        shapes[pre + "self_attn.rotary_emb.inv_freq"] = (HIDDEN // 64,)
        shapes[pre + "mlp.gate_proj.weight"] = (INTERMEDIATE, HIDDEN)
        shapes[pre + "mlp.up_proj.weight"] = (INTERMEDIATE, HIDDEN)
        shapes[pre + "mlp.down_proj.weight"] = (HIDDEN, INTERMEDIATE)
        shapes[pre + "input_layernorm.weight"] = (HIDDEN,)
        shapes[pre + "post_attention_layernorm.weight"] = (HIDDEN,)
    shapes["model.norm.weight"] = (HIDDEN,)
    shapes["lm_head.weight"] = (VOCAB, HIDDEN)
    return shapes


def delta_shapes(layers):
    shapes = {}
    pre = "llama_model.base_model.model.model.layers."
    for i in range(layers):
        for name in "qkvo":
            lora = f"{pre}{i}.self_attn.{name}_proj.lora_"
            shapes[f"{lora}A.default.weight"] = (RANK, HIDDEN)
            shapes[f"{lora}B.default.weight"] = (HIDDEN, RANK)
    shapes["llama_proj.weight"] = (HIDDEN, 1024)
    shapes["llama_proj.bias"] = (HIDDEN,)
    return shapes


def write_tokenizer(path):
    """A SentencePiece BPE model of 32000 made-up pieces, with byte fallback."""
    def varint(value):
        out = bytearray()
        while value > 127:
            out.append(value & 127 | 128)
            value >>= 7
        return bytes(out + bytes([value]))

    def field(number, data):
        return varint(number << 3 | 2) + varint(len(data)) + data

    def piece(text, score, kind):
        return field(1, field(1, text.encode()) + b"\x15"
                     + struct.pack("<f", score) + b"\x18" + varint(kind))

    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [(f"<0x{b:02X}>", 0.0, 6) for b in range(256)]
    pieces += [(chr(c), float(-i), 1)
               for i, c in enumerate(list(range(33, 127)) + [0x2581])]
    while len(pieces) < 32000:
        pieces.append((f"\u2581w{len(pieces)}", float(-len(pieces)), 1))
    trainer = varint(3 << 3) + varint(2) + varint(35 << 3) + varint(1)
    normalizer = (field(1, b"identity") + varint(3 << 3) + varint(1)
                  + varint(4 << 3) + varint(0) + varint(5 << 3) + varint(1))
    path.write_bytes(b"".join(piece(*p) for p in pieces)
                     + field(2, trainer) + field(3, normalizer))


def write_decoder(folder, layers, random):
    folder.mkdir(exist_ok=True)
    shapes = llama_shapes(layers)
    names = list(shapes)
    half = len(names) // 2
    index = {}
    for number, part in enumerate((names[:half], names[half:]), 1):
        file = f"pytorch_model-{number:05}-of-00002.bin"
        write_checkpoint(folder / file, {n: shapes[n] for n in part}, 2, random)
        index |= dict.fromkeys(part, file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(
        {"metadata": {"total_size": 2 * sum(map(count_of, shapes.values()))},
         "weight_map": index}))
    (folder / "config.json").write_text(json.dumps(
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
         "hidden_act": "silu", "hidden_size": HIDDEN,
         "intermediate_size": INTERMEDIATE, "max_position_embeddings": 2048,
         "num_attention_heads": 32, "num_hidden_layers": layers,
         "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
         "torch_dtype": "float16", "vocab_size": VOCAB, "bos_token_id": 0,
         "eos_token_id": 1, "pad_token_id": -1}))
    (folder / "generation_config.json").write_text(json.dumps(
        {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}))
    (folder / "added_tokens.json").write_text('{"[PAD]": 32000}')
    write_tokenizer(folder / "tokenizer.model")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=32)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    random = Random(20230525)
    write_checkpoint(args.folder / "imagebind_huge.pth",
                     imagebind_shapes(args.layers), 4, random)
    write_decoder(args.folder / "vicuna-7b", args.layers, random)
    write_checkpoint(args.folder / "pandagpt_delta.pt",
                     delta_shapes(args.layers), 2, random, "cuda:0")


main()
