# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""ImageBind's towers in PyTorch, with its fused attention."""
import torch
import torch.nn.functional as F

import towers


def get_version():
    return f"torch {torch.__version__}"


class Model:
    """`weights` as towers.make_weights gives them; they are shared in f32."""

    def __init__(self, tower, weights, blocks, threads, bf16=False):
        torch.set_num_threads(threads)
        self.tower, self.blocks = tower, blocks
        self.type = torch.bfloat16 if bf16 else torch.float32
        self.weights = {name: torch.from_numpy(values).to(self.type)
                        for name, values in weights.items()}
        self.stem, self.trunk, self.head = towers.get_names(tower)

    def norm(self, x, name, eps=1e-6):
        return F.layer_norm(x, (x.shape[-1],), self.weights[name + ".weight"],
                            self.weights[name + ".bias"], eps)

    def linear(self, x, name, ending=("weight", "bias")):
        return F.linear(x, self.weights[name + ending[0]],
                        self.weights[name + ending[1]])

    def attend(self, x, name):
        count, length, width = x.shape
        q, k, v = self.linear(
            x, name, ("in_proj_weight", "in_proj_bias")).chunk(3, -1)
        if self.tower.extra_key:
            row = self.weights[name + "bias_k"].expand(count, 1, width)
            k = torch.cat([k, row], 1)
            row = self.weights[name + "bias_v"].expand(count, 1, width)
            v = torch.cat([v, row], 1)
        q, k, v = (t.unflatten(-1, (self.tower.heads, -1)).transpose(1, 2)
                   for t in (q, k, v))
        x = F.scaled_dot_product_attention(q, k, v,
                                           is_causal=self.tower.is_text)
        return self.linear(x.transpose(1, 2).reshape(count, length, width),
                           name + "out_proj.")

    def embed(self, x):
        """[items, tokens, width] of what a tower is given."""
        tower, kernel = self.tower, self.weights[self.stem + self.tower.stem]
        if tower.is_text:
            return F.embedding(x, kernel) + self.weights[
                self.stem + tower.positions]
        x = x.to(self.type)
        if tower.name == "imu":
            x = F.linear(x, kernel)
        else:
            x = F.conv2d(x.flatten(1, -3), kernel.flatten(1, -3),
                         stride=tower.stride).flatten(2).transpose(1, 2)
        if tower.stem_norm:
            x = self.norm(x, self.stem + tower.stem_norm, 1e-5)
        first = self.weights[self.stem + "cls_token"].expand(len(x), 1, -1)
        return torch.cat([first, x], 1) + self.weights[
            self.stem + tower.positions]

    @torch.inference_mode()
    def run(self, x):
        """[items, EMBEDDING], before normalisation, of an array."""
        ids = x = torch.from_numpy(x)
        x = self.embed(x)
        if self.tower.pre_norm:
            x = self.norm(x, "modality_trunks.vision.pre_transformer_layer.0")
        for i in range(self.blocks):
            name = f"{self.trunk}{i}."
            x = x + self.attend(self.norm(x, name + "norm_1"), name + "attn.")
            hidden = F.gelu(self.linear(self.norm(x, name + "norm_2"),
                                        name + "mlp.fc1."))
            x = x + self.linear(hidden, name + "mlp.fc2.")
        if self.tower.is_text:
            x = x[torch.arange(len(x)), ids.argmax(-1)]
        else:
            x = x[:, 0]
        x = self.norm(x, self.head + ("proj.0" if self.tower.is_text else "0"))
        return F.linear(x, self.weights[self.head + self.tower.head]
                        ).float().numpy()
