/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "decoder/llama_names.h"
#include "decoder/llama_weights.h"
#include "kernels/kernels.h"

/* LoRA of a PandaGPT delta, or of a bundle: for a projection W, B A with
 * A (rank, in) and B (out, rank), times alpha / rank. */

#define PREFIX "llama_model."
#define LAYERS PREFIX "base_model.model.model.layers."
#define MERGE_ROWS 16  /* rows of W of one piece of parallel work */
#define MERGE_CHUNK 256 /* floats of a row converted at once, on the stack:
                           whole blocks of any format */

static const char *const target_names[PND_LORA_TARGET_COUNT] = {
    [PND_LORA_Q] = "q_proj",
    [PND_LORA_K] = "k_proj",
    [PND_LORA_V] = "v_proj",
    [PND_LORA_O] = "o_proj",
};

struct lora_pair {
    const struct pnd_tensor *a; /* (rank, in) */
    const struct pnd_tensor *b; /* (out, rank) */
};

static struct pnd_linear *get_target(struct pnd_llama_layer *layer, int target)
{
    struct pnd_linear *const targets[PND_LORA_TARGET_COUNT] = {
        [PND_LORA_Q] = &layer->q,
        [PND_LORA_K] = &layer->k,
        [PND_LORA_V] = &layer->v,
        [PND_LORA_O] = &layer->o,
    };
    return targets[target];
}

/* " (LLaMA-7B)" for the published widths, for people who mixed up files. */
static const char *get_size_name(int64_t width)
{
    static const struct {
        int64_t width;
        const char *name;
    } sizes[] = {
        {4096, " (LLaMA-7B)"},
        {5120, " (LLaMA-13B)"},
        {6656, " (LLaMA-33B)"},
        {8192, " (LLaMA-65B)"},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (sizes[i].width == width)
            return sizes[i].name;
    }
    return "";
}

/* In a bundle they are beside the matrix, whose rows and columns they have. */
static const struct pnd_tensor *find_bundle_factor(struct pnd_weights *w,
                                                   uint32_t layer, int target,
                                                   char factor)
{
    const struct pnd_llama_names *names = &pnd_llama_names_gguf;
    char name[128];
    snprintf(name, sizeof name, "%s.lora_%c",
             pnd_llama_name_tensor(names, layer, names->matrices[target]).text,
             factor + ('a' - 'A'));
    return pnd_weights_find(w, name);
}

const struct pnd_tensor *pnd_lora_find_factor(struct pnd_weights *w,
                                              uint32_t layer, int target,
                                              char factor)
{
    /* peft names the adapter in the module tree, and not in its own files. */
    static const char *const endings[] = {".default.weight", ".weight"};
    const struct pnd_tensor *t = NULL;
    if (pnd_weights_get_gguf(w))
        return find_bundle_factor(w, layer, target, factor);
    for (size_t i = 0; !t && i < sizeof endings / sizeof *endings; i++) {
        char name[128];
        snprintf(name, sizeof name, LAYERS "%" PRIu32 ".self_attn.%s.lora_%c%s",
                 layer, target_names[target], factor, endings[i]);
        t = pnd_weights_find(w, name);
    }
    return t;
}

bool pnd_lora_is_in(struct pnd_weights *w)
{
    for (int target = 0; target < PND_LORA_TARGET_COUNT; target++) {
        if (pnd_lora_find_factor(w, 0, target, 'A'))
            return true;
    }
    return false;
}

static panda_status check_pair(const struct lora_pair *pair,
                               const struct pnd_linear *linear,
                               const char *path)
{
    const struct pnd_tensor *a = pair->a, *b = pair->b;
    if (a->rank != 2 || b->rank != 2 || a->shape[0] != b->shape[1] ||
        a->shape[0] < 1 || a->shape[0] > INT32_MAX) {
        char a_text[64], b_text[64];
        pnd_shape_format(a_text, sizeof a_text, a->rank, a->shape);
        pnd_shape_format(b_text, sizeof b_text, b->rank, b->shape);
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: %s is %s and its B is %s; expected [rank, %u] and "
                        "[%u, rank]",
                        path, a->name, a_text, b_text, linear->in, linear->out);
    }
    if (!pnd_dtype_is_weight(a->dtype) || !pnd_dtype_is_weight(b->dtype))
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: %s is %s and its B %s; expected f32, f16 or bf16",
                        path, a->name, pnd_dtype_get_name(a->dtype),
                        pnd_dtype_get_name(b->dtype));
    if (a->shape[1] != linear->in)
        return pnd_fail(PANDA_E_SHAPE,
                        "%s: the adapter is for a decoder of width %" PRId64
                        "%s, this decoder's is %u%s (tensor %s)",
                        path, a->shape[1], get_size_name(a->shape[1]),
                        linear->in, get_size_name(linear->in), a->name);
    if (b->shape[0] != linear->out)
        return pnd_fail(PANDA_E_SHAPE,
                        "%s: %s has %" PRId64 " rows, the decoder's projection "
                        "%u",
                        path, b->name, b->shape[0], linear->out);
    return PANDA_OK;
}

/* Both factors of one projection, or neither. */
static panda_status find_pair(struct lora_pair *pair, struct pnd_llama *llama,
                              struct pnd_weights *w, uint32_t layer, int target)
{
    const char *path = pnd_weights_get_path(w);
    pair->a = pnd_lora_find_factor(w, layer, target, 'A');
    pair->b = pnd_lora_find_factor(w, layer, target, 'B');
    if (!pair->a && !pair->b)
        return PANDA_OK;
    if (!pair->a || !pair->b)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s has no lora_%c beside it", path,
                        pair->a ? pair->a->name : pair->b->name,
                        pair->a ? 'B' : 'A');
    panda_status status = check_pair(
        pair, get_target(&llama->layers[layer], target), path);
    if (status == PANDA_OK)
        status = pnd_weights_load(w, pair->a);
    if (status == PANDA_OK)
        status = pnd_weights_load(w, pair->b);
    if (status < 0)
        return status;
    struct pnd_llama_dims *dims = &llama->dims;
    if (dims->lora_rank == 0)
        dims->lora_rank = (uint32_t)pair->a->shape[0];
    if (dims->lora_rank != pair->a->shape[0])
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: tensor %s has rank %" PRId64 ", others have %u",
                        path, pair->a->name, pair->a->shape[0],
                        dims->lora_rank);
    return PANDA_OK;
}

/* Everything about the adapter that can be wrong, before memory is spent. */
static panda_status check_adapter(struct pnd_llama *llama,
                                  struct pnd_weights *w)
{
    const uint32_t layers = llama->dims.config.layers;
    const char *path = pnd_weights_get_path(w);
    for (int target = 0; target < PND_LORA_TARGET_COUNT; target++) {
        uint32_t present = 0;
        for (uint32_t i = 0; i < layers; i++) {
            struct lora_pair pair;
            panda_status status = find_pair(&pair, llama, w, i, target);
            if (status < 0)
                return status;
            present += pair.a != NULL;
        }
        if (present != 0 && present != layers)
            return pnd_fail(PANDA_E_SHAPE,
                            "%s: the adapter has LoRA of %s for %u layers, "
                            "this decoder has %u layers",
                            path, target_names[target], present, layers);
    }
    const struct pnd_tensor *extra = pnd_weights_find_unused(w, PREFIX);
    if (extra)
        return pnd_fail(PANDA_E_SHAPE,
                        "%s: tensor %s belongs to no q, k, v or o projection "
                        "of this decoder with %u layers",
                        path, extra->name, layers);
    return PANDA_OK;
}

/* B (heads * head_dim, rank) as floats. Adapters have the rows of q and k as HF
 * has them, halves of a head; an interleaved decoder has them in pairs. */
static void read_factor_b(const struct pnd_llama *llama, int target,
                          const struct pnd_tensor *t, float *b)
{
    const size_t half = llama->dims.config.head_dim / 2;
    const size_t rank = (size_t)t->shape[1], rows = (size_t)t->shape[0];
    if (!llama->turn_lora || (target != PND_LORA_Q && target != PND_LORA_K)) {
        pnd_tensor_read_f32(t, b);
        return;
    }
    for (size_t row = 0; row < rows; row++) {
        size_t head = row / (2 * half), at = row % (2 * half);
        float *to = b + (head * 2 * half + at % half * 2 + at / half) * rank;
        for (size_t i = 0; i < rank; i++)
            to[i] = pnd_tensor_get_f32(t, row * rank + i);
    }
}

static panda_status add_side(struct pnd_llama *llama,
                             struct pnd_llama_layer *layer, int target,
                             const struct lora_pair *pair, float scale)
{
    struct pnd_linear *linear = get_target(layer, target);
    const uint32_t rank = llama->dims.lora_rank;
    const size_t count = ((size_t)linear->in + linear->out) * rank;
    float *a = pnd_alloc_array(&llama->ctx->alloc, count, sizeof *a);
    if (!a)
        return pnd_fail_memory();
    float *b = a + (size_t)rank * linear->in;
    pnd_tensor_read_f32(pair->a, a);
    read_factor_b(llama, target, pair->b, b);
    layer->lora_data[target] = a;
    layer->side[target] = (struct pnd_low_rank){rank, scale, a, b};
    linear->side = &layer->side[target];
    llama->dims.heap_bytes += count * sizeof *a;
    return PANDA_OK;
}

struct merge_job {
    const struct pnd_kernels *kernels;
    const struct pnd_linear *linear;
    const struct pnd_low_rank *side;
    float *merged;  /* (out, in) */
    float *scratch; /* (threads, PND_GEMM_SCRATCH) */
};

/* to = scale * to + the row of W */
static void add_row(const struct merge_job *job, size_t row, float scale,
                    float *to)
{
    const enum pnd_dtype dtype = job->linear->dtype;
    const size_t count = job->linear->in;
    const char *w = (const char *)job->linear->weight +
                    row * pnd_dtype_get_row_bytes(dtype, count);
    float chunk[MERGE_CHUNK];
    for (size_t i = 0; i < count; i += MERGE_CHUNK) {
        size_t n = count - i < MERGE_CHUNK ? count - i : MERGE_CHUNK;
        job->kernels->format[dtype].to_f32(
            n, w + pnd_dtype_get_row_bytes(dtype, i), chunk);
        for (size_t j = 0; j < n; j++)
            to[i + j] = chunk[j] + scale * to[i + j];
    }
}

/* merged = W + scale * (B A), for MERGE_ROWS rows */
static void merge_rows(void *context, uint32_t index, uint32_t worker)
{
    const struct merge_job *job = context;
    const struct pnd_low_rank *side = job->side;
    const size_t in = job->linear->in, out = job->linear->out;
    const size_t first = (size_t)index * MERGE_ROWS;
    const size_t rows = out - first < MERGE_ROWS ? out - first : MERGE_ROWS;
    float *merged = job->merged + first * in;
    job->kernels->gemm.f32_nn(
        rows, in, side->rank, side->b + first * side->rank, side->rank, side->a,
        in, merged, in, job->scratch + (size_t)worker * PND_GEMM_SCRATCH);
    for (size_t r = 0; r < rows; r++)
        add_row(job, first + r, side->scale, merged + r * in);
}

/* The side path just added becomes part of the matrix. */
static panda_status merge_side(struct pnd_llama *llama,
                               struct pnd_llama_layer *layer, int target)
{
    const struct pnd_context *ctx = llama->ctx;
    struct pnd_linear *linear = get_target(layer, target);
    const size_t count = (size_t)linear->out * linear->in;
    struct merge_job job = {ctx->kernels, linear, linear->side, NULL, NULL};
    job.merged = pnd_alloc_array(&ctx->alloc, count, sizeof(float));
    job.scratch = pnd_alloc_array(&ctx->alloc, pnd_pool_get_threads(ctx->pool),
                                  PND_GEMM_SCRATCH * sizeof(float));
    if (!job.merged || !job.scratch) {
        pnd_free(&ctx->alloc, job.merged);
        pnd_free(&ctx->alloc, job.scratch);
        return pnd_fail_memory();
    }
    pnd_pool_run(ctx->pool, merge_rows, &job,
                 (linear->out + MERGE_ROWS - 1) / MERGE_ROWS);
    pnd_free(&ctx->alloc, job.scratch);
    pnd_free(&ctx->alloc, layer->lora_data[target]);
    layer->lora_data[target] = job.merged;
    linear->dtype = PND_F32;
    linear->weight = job.merged;
    linear->side = NULL;
    llama->dims.heap_bytes += count * sizeof(float);
    llama->dims.heap_bytes -= ((uint64_t)linear->in + linear->out) *
                              llama->dims.lora_rank * sizeof(float);
    return PANDA_OK;
}

static panda_status apply_pair(struct pnd_llama *llama, uint32_t index,
                               int target, const struct lora_pair *pair,
                               panda_lora_mode mode)
{
    struct pnd_llama_layer *layer = &llama->layers[index];
    const struct pnd_linear *linear = get_target(layer, target);
    const float scale = llama->dims.lora_alpha / (float)llama->dims.lora_rank;
    panda_status status = add_side(llama, layer, target, pair, scale);
    if (status < 0)
        return status;
    if (mode == PANDA_LORA_MERGE ||
        (mode == PANDA_LORA_DEFAULT && linear->dtype == PND_F32))
        return merge_side(llama, layer, target);
    llama->dims.lora_merged = false;
    return PANDA_OK;
}

panda_status pnd_lora_apply(struct pnd_llama *llama,
                            const struct pnd_lora_options *options)
{
    struct pnd_llama_dims *dims = &llama->dims;
    panda_status status;
    llama->turn_lora =
        llama->interleaved && !pnd_weights_get_gguf(options->weights);
    PND_TRY(check_adapter(llama, options->weights));
    if (dims->lora_rank == 0)
        goto out; /* a projection only */
    dims->lora_alpha =
        options->alpha > 0 ? options->alpha : (float)dims->lora_rank;
    dims->lora_merged = true; /* until one is not */
    for (uint32_t i = 0; i < dims->config.layers; i++) {
        for (int target = 0; target < PND_LORA_TARGET_COUNT; target++) {
            struct lora_pair pair;
            PND_TRY(find_pair(&pair, llama, options->weights, i, target));
            if (pair.a)
                PND_TRY(apply_pair(llama, i, target, &pair, options->mode));
        }
    }
out:
    return status;
}
