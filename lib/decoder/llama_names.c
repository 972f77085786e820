/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/llama_names.h"

#include <inttypes.h>
#include <stdio.h>

const struct pnd_llama_names pnd_llama_names_hf = {
    .embedding = "model.embed_tokens.weight",
    .norm = "model.norm.weight",
    .output = "lm_head.weight",
    .layers = "model.layers.",
    .matrices = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                 "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
                 "mlp.down_proj"},
    .attention_norm = "input_layernorm",
    .mlp_norm = "post_attention_layernorm",
    .unused = {"model.", "lm_head", NULL},
};

const struct pnd_llama_names pnd_llama_names_gguf = {
    .embedding = "token_embd.weight",
    .norm = "output_norm.weight",
    .output = "output.weight",
    .layers = "blk.",
    .matrices = {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate",
                 "ffn_up", "ffn_down"},
    .attention_norm = "attn_norm",
    .mlp_norm = "ffn_norm",
    .unused = {"blk.", "output", "token_embd"},
    .interleaved = true,
};

const struct pnd_llama_names *pnd_llama_names_get(const struct pnd_weights *w)
{
    return pnd_weights_get_gguf(w) ? &pnd_llama_names_gguf
                                   : &pnd_llama_names_hf;
}

struct pnd_llama_name pnd_llama_name_tensor(const struct pnd_llama_names *n,
                                            uint32_t layer, const char *name)
{
    struct pnd_llama_name result;
    snprintf(result.text, sizeof result.text, "%s%" PRIu32 ".%s.weight",
             n->layers, layer, name);
    return result;
}
