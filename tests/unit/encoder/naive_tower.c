/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "naive_tower.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

struct naive {
    struct pnd_weights *weights;
    const struct pnd_tower_dims *dims;
    enum pnd_tower_id id;
};

/* "modality_<group>.<tower>.<...>" as doubles; NULL when it is not there. */
static PND_PRINTF(3, 4) double *find(const struct naive *n, const char *group,
                                     const char *format, ...)
{
    char name[160];
    va_list args;
    int used = snprintf(name, sizeof name, "modality_%s.%s.", group,
                        pnd_tower_get_name(n->id));
    va_start(args, format);
    vsnprintf(name + used, sizeof name - (size_t)used, format, args);
    va_end(args);
    const struct pnd_tensor *tensor = pnd_weights_find(n->weights, name);
    if (!tensor)
        return NULL;
    size_t count = (size_t)pnd_tensor_get_count(tensor);
    double *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = pnd_tensor_get_f32(tensor, i);
    return values;
}

/* y[rows, out] = x[rows, in] w[out, in]^T + b; takes w and b. */
static void apply_linear(size_t rows, size_t in, size_t out, const double *x,
                         double *w, double *b, double *y)
{
    ck_assert_ptr_nonnull(w);
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < out; o++) {
            double sum = b ? b[o] : 0;
            for (size_t i = 0; i < in; i++)
                sum += x[r * in + i] * w[o * in + i];
            y[r * out + o] = sum;
        }
    }
    free(w);
    free(b);
}

/* Takes w and b. */
static void apply_norm(size_t rows, size_t d, const double *x, double *w,
                       double *b, double eps, double *y)
{
    ck_assert_ptr_nonnull(w);
    ck_assert_ptr_nonnull(b);
    for (size_t r = 0; r < rows; r++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < d; i++)
            mean += x[r * d + i] / (double)d;
        for (size_t i = 0; i < d; i++)
            variance += pow(x[r * d + i] - mean, 2) / (double)d;
        for (size_t i = 0; i < d; i++)
            y[r * d + i] = (x[r * d + i] - mean) / sqrt(variance + eps) * w[i] +
                           b[i];
    }
    free(w);
    free(b);
}

/* tokens[1 + i, D] = window i of the picture times kernel. */
static void apply_patches(const struct naive *n, uint32_t frames,
                          const float *input, double *tokens)
{
    static const struct {
        const char *stem;
        size_t channels, height, width, kernel_height, kernel_width, stride;
    } stems[] = {
        [PND_TOWER_VISION] = {"rgbt_stem.proj.1", 3, 0, 0, 14, 14, 14},
        [PND_TOWER_AUDIO] = {"rgbt_stem.proj", 1, 128, 204, 16, 16, 10},
        [PND_TOWER_DEPTH] = {"depth_stem.proj", 1, 0, 0, 16, 16, 16},
        [PND_TOWER_THERMAL] = {"rgbt_stem.proj", 1, 0, 0, 16, 16, 16},
        [PND_TOWER_IMU] = {"imu_stem.proj", 6, 1, 2000, 1, 8, 8},
    };
    const size_t d = n->dims->width, kh = stems[n->id].kernel_height;
    const size_t kw = stems[n->id].kernel_width, stride = stems[n->id].stride;
    const size_t side = (size_t)sqrt(n->dims->tokens - 1.0) * stride;
    const size_t height = stems[n->id].height ? stems[n->id].height : side;
    const size_t width = stems[n->id].width ? stems[n->id].width : side;
    const size_t times = n->id == PND_TOWER_VISION ? 2 : 1;
    const size_t columns = (width - kw) / stride + 1;
    double *kernel = find(n, "preprocessors", "%s.weight", stems[n->id].stem);
    ck_assert_ptr_nonnull(kernel);
    for (size_t p = 0; p + 1 < n->dims->tokens; p++) {
        const size_t top = p / columns * stride, left = p % columns * stride;
        for (size_t o = 0; o < d; o++) {
            const double *k = kernel + o * stems[n->id].channels * times * kh *
                                           kw;
            double sum = 0;
            for (size_t c = 0; c < stems[n->id].channels; c++) {
                for (size_t t = 0; t < times; t++) {
                    size_t plane = c * frames + (frames == 2 ? t : 0);
                    for (size_t y = 0; y < kh; y++) {
                        for (size_t x = 0; x < kw; x++)
                            sum += *k++ *
                                   input[(plane * height + top + y) * width +
                                         left + x];
                    }
                }
            }
            tokens[(p + 1) * d + o] = sum;
        }
    }
    free(kernel);
}

static void run_stem(const struct naive *n, uint32_t frames, const void *input,
                     double *x)
{
    const size_t d = n->dims->width, tokens = n->dims->tokens;
    const char *stem = n->id == PND_TOWER_DEPTH ? "depth" :
                       n->id == PND_TOWER_IMU   ? "imu"
                                                : "rgbt";
    bool plain = n->id == PND_TOWER_TEXT || n->id == PND_TOWER_IMU;
    double *positions = find(n, "preprocessors", "%spos_embed",
                             plain ? "" : "pos_embedding_helper.");
    if (n->id == PND_TOWER_TEXT) {
        double *table = find(n, "preprocessors", "token_embedding.weight");
        const int32_t *ids = input;
        for (size_t i = 0; i < tokens * d; i++)
            x[i] = table[(size_t)ids[i / d] * d + i % d];
        free(table);
    } else {
        double *class_token = find(n, "preprocessors", "cls_token");
        memcpy(x, class_token, d * sizeof *x);
        free(class_token);
        apply_patches(n, frames, input, x);
    }
    if (n->id != PND_TOWER_TEXT && n->id != PND_TOWER_VISION)
        apply_norm(tokens - 1, d, x + d,
                   find(n, "preprocessors", "%s_stem.norm_layer.weight", stem),
                   find(n, "preprocessors", "%s_stem.norm_layer.bias", stem),
                   1e-5, x + d);
    for (size_t i = 0; i < tokens * d; i++)
        x[i] += positions[i];
    free(positions);
    if (n->id == PND_TOWER_VISION)
        apply_norm(tokens, d, x,
                   find(n, "trunks", "pre_transformer_layer.0.weight"),
                   find(n, "trunks", "pre_transformer_layer.0.bias"), 1e-6, x);
}

/* out[tokens, D] for qkv[tokens + 1, 3 D], whose last row is the extra key. */
static void attend(const struct naive *n, size_t keys, const double *qkv,
                   double *out)
{
    const size_t d = n->dims->width, tokens = n->dims->tokens;
    const size_t size = d / n->dims->heads;
    double *scores = malloc(keys * sizeof *scores);
    for (size_t head = 0; head < n->dims->heads; head++) {
        for (size_t q = 0; q < tokens; q++) {
            const size_t at = head * size;
            size_t seen = n->id == PND_TOWER_TEXT ? q + 1 : keys;
            double sum = 0;
            for (size_t k = 0; k < seen; k++) {
                double dot = 0;
                for (size_t i = at; i < at + size; i++)
                    dot += qkv[q * 3 * d + i] * qkv[k * 3 * d + d + i];
                scores[k] = exp(dot / sqrt((double)size));
                sum += scores[k];
            }
            for (size_t i = at; i < at + size; i++) {
                double value = 0;
                for (size_t k = 0; k < seen; k++)
                    value += scores[k] / sum * qkv[k * 3 * d + 2 * d + i];
                out[q * d + i] = value;
            }
        }
    }
    free(scores);
}

static void run_block(const struct naive *n, uint32_t index, double *x)
{
    const size_t d = n->dims->width, tokens = n->dims->tokens;
    double *normed = malloc(tokens * d * sizeof *normed);
    double *wide = malloc((tokens + 1) * 4 * d * sizeof *wide);
    double *sum = malloc(tokens * d * sizeof *sum);
#define PART(name) find(n, "trunks", "blocks.%u." name, index)
    apply_norm(tokens, d, x, PART("norm_1.weight"), PART("norm_1.bias"), 1e-6,
               normed);
    apply_linear(tokens, d, 3 * d, normed, PART("attn.in_proj_weight"),
                 PART("attn.in_proj_bias"), wide);
    double *bias_k = PART("attn.bias_k"), *bias_v = PART("attn.bias_v");
    if (bias_k) {
        memcpy(wide + (tokens * 3 + 1) * d, bias_k, d * sizeof *wide);
        memcpy(wide + (tokens * 3 + 2) * d, bias_v, d * sizeof *wide);
    }
    attend(n, tokens + (bias_k ? 1 : 0), wide, normed);
    free(bias_k);
    free(bias_v);
    apply_linear(tokens, d, d, normed, PART("attn.out_proj.weight"),
                 PART("attn.out_proj.bias"), sum);
    for (size_t i = 0; i < tokens * d; i++)
        x[i] += sum[i];
    apply_norm(tokens, d, x, PART("norm_2.weight"), PART("norm_2.bias"), 1e-6,
               normed);
    apply_linear(tokens, d, 4 * d, normed, PART("mlp.fc1.weight"),
                 PART("mlp.fc1.bias"), wide);
    for (size_t i = 0; i < tokens * 4 * d; i++)
        wide[i] *= (1 + erf(wide[i] / sqrt(2))) / 2;
    apply_linear(tokens, 4 * d, d, wide, PART("mlp.fc2.weight"),
                 PART("mlp.fc2.bias"), sum);
    for (size_t i = 0; i < tokens * d; i++)
        x[i] += sum[i];
#undef PART
    free(normed);
    free(wide);
    free(sum);
}

void naive_tower_run(struct pnd_weights *weights,
                     const struct pnd_tower_dims *dims, enum pnd_tower_id id,
                     uint32_t frames, const void *input, float *raw)
{
    const struct naive n = {weights, dims, id};
    const size_t d = dims->width;
    const bool text = id == PND_TOWER_TEXT;
    const char *norm = text ? "proj.0" : "0";
    double *x = malloc(dims->tokens * d * sizeof *x);
    double *head = malloc(dims->embedding_dim * sizeof *head);
    run_stem(&n, frames, input, x);
    for (uint32_t i = 0; i < dims->blocks; i++)
        run_block(&n, i, x);
    size_t token = 0;
    for (size_t i = 1; text && i < dims->tokens; i++) {
        const int32_t *ids = input;
        token = ids[i] > ids[token] ? i : token;
    }
    apply_norm(1, d, x + token * d, find(&n, "heads", "%s.weight", norm),
               find(&n, "heads", "%s.bias", norm), 1e-6, x);
    apply_linear(1, d, dims->embedding_dim, x,
                 find(&n, "heads", "%s.weight",
                      text ? "proj.1" : id == PND_TOWER_IMU ? "3" : "2"),
                 NULL, head);
    for (size_t i = 0; i < dims->embedding_dim; i++)
        raw[i] = (float)head[i];
    free(x);
    free(head);
}
