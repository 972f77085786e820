# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""ImageBind-huge's towers: their published dimensions, random weights under
the published names, and the safetensors file that libpandagpt reads. Peers get
the same numbers."""
import dataclasses
import json

import numpy as np

EMBEDDING, WORDS = 1024, 49408
POSITIONS = "pos_embedding_helper.pos_embed"


@dataclasses.dataclass(frozen=True)
class Tower:
    name: str
    width: int
    blocks: int
    heads: int
    tokens: int
    stem: str         # name of its matrix or kernel
    kernel: tuple     # [in, height, width] of that; [values] of a linear one
    stride: int = 0
    stem_norm: str = ""
    positions: str = POSITIONS
    head: str = "2.weight"
    pre_norm: bool = False
    extra_key: bool = False  # bias_k and bias_v
    is_text: bool = False


def _patches(name, width, heads, tokens, stem, stride):
    return Tower(name, width, 12, heads, tokens, f"{stem}.proj.weight",
                 (1, 16, 16), stride, f"{stem}.norm_layer", extra_key=True)


TOWERS = {tower.name: tower for tower in (
    Tower("vision", 1280, 32, 16, 257, "rgbt_stem.proj.1.weight",
          (3, 2, 14, 14), 14, pre_norm=True),
    _patches("audio", 768, 12, 229, "rgbt_stem", 10),
    _patches("depth", 384, 8, 197, "depth_stem", 16),
    _patches("thermal", 768, 12, 197, "rgbt_stem", 16),
    Tower("imu", 512, 6, 8, 251, "imu_stem.proj.weight", (48,),
          stem_norm="imu_stem.norm_layer", positions="pos_embed",
          head="3.weight", extra_key=True),
    Tower("text", 1024, 24, 16, 77, "token_embedding.weight", (1024,),
          positions="pos_embed", head="proj.1.weight", is_text=True))}


def get_names(tower):
    """Prefixes of the stem, of the blocks and of the head."""
    return (f"modality_preprocessors.{tower.name}.",
            f"modality_trunks.{tower.name}.blocks.",
            f"modality_heads.{tower.name}.")


class _Maker:
    """Weights of deviation 1 / sqrt(columns), the rest small."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.weights = {}

    def add(self, name, *shape, scale=0.02, centre=0.0):
        values = self.random.standard_normal(shape, dtype=np.float32)
        values *= np.float32(scale)
        values += np.float32(centre)
        self.weights[name] = values

    def norm(self, name, width):
        self.add(name + ".weight", width, centre=1.0)
        self.add(name + ".bias", width)

    def linear(self, name, rows, columns, ending=("weight", "bias")):
        self.add(name + ending[0], rows, columns, scale=columns ** -0.5)
        self.add(name + ending[1], rows)

    def block(self, name, width, extra_key):
        self.norm(name + "norm_1", width)
        self.linear(name + "attn.", 3 * width, width,
                    ("in_proj_weight", "in_proj_bias"))
        if extra_key:
            self.add(name + "attn.bias_k", 1, 1, width)
            self.add(name + "attn.bias_v", 1, 1, width)
        self.linear(name + "attn.out_proj.", width, width)
        self.norm(name + "norm_2", width)
        self.linear(name + "mlp.fc1.", 4 * width, width)
        self.linear(name + "mlp.fc2.", width, 4 * width)


def make_weights(tower, blocks):
    """Arrays of f32 by their published names."""
    made, width = _Maker(7), tower.width
    stem, trunk, head = get_names(tower)
    made.add(stem + tower.positions, 1, tower.tokens, width)
    if not tower.is_text:
        made.add(stem + "cls_token", 1, 1, width)
        made.add(stem + tower.stem, width, *tower.kernel, scale=0.03)
    else:
        made.add(stem + tower.stem, WORDS, width, scale=0.03)
    if tower.stem_norm:
        made.norm(stem + tower.stem_norm, width)
    if tower.pre_norm:
        made.norm("modality_trunks.vision.pre_transformer_layer.0", width)
    for i in range(blocks):
        made.block(f"{trunk}{i}.", width, tower.extra_key)
    made.norm(head + ("proj.0" if tower.is_text else "0"), width)
    made.add(head + tower.head, EMBEDDING, width, scale=width ** -0.5)
    if tower.name != "vision":
        made.weights[f"modality_postprocessors.{tower.name}"
                     ".1.log_logit_scale"] = np.array(1.0, np.float32)
    return made.weights


def write_safetensors(path, weights):
    header, offset = {}, 0
    for name, values in weights.items():
        header[name] = {"dtype": "F32", "shape": list(values.shape),
                        "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64 + 56)  # data begin at a multiple of 64
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for values in weights.values():
            file.write(values.tobytes())
