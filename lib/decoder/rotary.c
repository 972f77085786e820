/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/rotary.h"

#include <math.h>

#define PIECE_ROWS 16 /* rows of one piece of parallel work */

/* In single precision like the reference: at position 2000 the rounding of the
 * angle is larger than the tolerance on logits, so it has to be the same. */
void pnd_rotary_init(float *inv_freq, uint32_t head_dim, float base)
{
    for (uint32_t i = 0; i < head_dim / 2; i++) {
        float exponent = (float)(2 * i) / (float)head_dim;
        inv_freq[i] = 1.0f / powf(base, exponent);
    }
}

static float scale_llama3(float frequency, const struct pnd_rope_scaling *s)
{
    const float turn = 6.28318530717958648f;
    const float context = (float)s->original_context;
    float length = turn / frequency;
    if (length < context / s->high_factor)
        return frequency;
    if (length > context / s->low_factor)
        return frequency / s->factor;
    float smooth = (context / length - s->low_factor) /
                   (s->high_factor - s->low_factor);
    return (1 - smooth) * frequency / s->factor + smooth * frequency;
}

void pnd_rotary_scale(float *inv_freq, uint32_t head_dim,
                      const struct pnd_rope_scaling *scaling)
{
    for (uint32_t i = 0; i < head_dim / 2; i++) {
        if (scaling->kind == PND_ROPE_LINEAR)
            inv_freq[i] /= scaling->factor;
        else if (scaling->kind == PND_ROPE_LLAMA3)
            inv_freq[i] = scale_llama3(inv_freq[i], scaling);
    }
}

void pnd_rotary_set(struct pnd_rotary *rotary, const float *inv_freq,
                    uint32_t first)
{
    const uint32_t half = rotary->head_dim / 2;
    for (uint32_t r = 0; r < rotary->rows; r++) {
        float *cosine = rotary->cosine + (size_t)r * half;
        float *sine = rotary->sine + (size_t)r * half;
        for (uint32_t i = 0; i < half; i++) {
            float angle = (float)(first + r) * inv_freq[i];
            cosine[i] = cosf(angle);
            sine[i] = sinf(angle);
        }
    }
}

struct rotate_job {
    const struct pnd_rotary *rotary;
    uint32_t heads;
    float *x; /* (rows, heads * head_dim) */
};

static void rotate_rows(void *context, uint32_t index, uint32_t worker)
{
    const struct rotate_job *job = context;
    const struct pnd_rotary *rotary = job->rotary;
    const uint32_t half = rotary->head_dim / 2;
    const uint32_t step = rotary->interleaved ? 2 : 1;
    const uint32_t apart = rotary->interleaved ? 1 : half;
    const uint32_t begin = index * PIECE_ROWS;
    uint32_t end = begin + PIECE_ROWS;
    (void)worker;
    if (end > rotary->rows)
        end = rotary->rows;
    for (uint32_t r = begin; r < end; r++) {
        const float *cosine = rotary->cosine + (size_t)r * half;
        const float *sine = rotary->sine + (size_t)r * half;
        float *x = job->x + (size_t)r * job->heads * rotary->head_dim;
        for (uint32_t h = 0; h < job->heads; h++, x += rotary->head_dim) {
            for (uint32_t i = 0; i < half; i++) {
                float *first = x + (size_t)i * step, *second = first + apart;
                float a = *first, b = *second;
                *first = a * cosine[i] - b * sine[i];
                *second = b * cosine[i] + a * sine[i];
            }
        }
    }
}

void pnd_rotary_apply(const struct pnd_context *ctx,
                      const struct pnd_rotary *rotary, uint32_t heads, float *x)
{
    struct rotate_job job = {rotary, heads, x};
    pnd_pool_run(ctx->pool, rotate_rows, &job,
                 (rotary->rows + PIECE_ROWS - 1) / PIECE_ROWS);
}
