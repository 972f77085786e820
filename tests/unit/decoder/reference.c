/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* y[out] = W x */
static void multiply(const struct tiny_tensor *w, const double *x, double *y)
{
    for (int64_t i = 0; i < w->shape[0]; i++) {
        y[i] = 0;
        for (int64_t j = 0; j < w->shape[1]; j++)
            y[i] += (double)w->values[i * w->shape[1] + j] * x[j];
    }
}

static const struct tiny_tensor *find(const struct tiny_file *f,
                                      const char *prefix, size_t layer,
                                      const char *name)
{
    char full[256];
    snprintf(full, sizeof full, "%smodel.layers.%zu.%s.weight", prefix, layer,
             name);
    return tiny_file_find(f, full);
}

/* A projection of a layer with its LoRA, where there is one. */
static void project(const struct reference *r, size_t layer, const char *name,
                    const double *x, double *y)
{
    const struct tiny_tensor *w = find(r->weights, "", layer, name);
    multiply(w, x, y);
    if (!r->lora || strncmp(name, "self_attn.", 10) != 0)
        return;
    char a_name[64], b_name[64];
    snprintf(a_name, sizeof a_name, "%s.lora_A.default", name);
    snprintf(b_name, sizeof b_name, "%s.lora_B.default", name);
    const char *prefix = "llama_model.base_model.model.";
    const struct tiny_tensor *a = find(r->lora, prefix, layer, a_name);
    const struct tiny_tensor *b = find(r->lora, prefix, layer, b_name);
    double *t = calloc((size_t)a->shape[0], sizeof *t);
    double *u = calloc((size_t)b->shape[0], sizeof *u);
    multiply(a, x, t);
    multiply(b, t, u);
    for (int64_t i = 0; i < b->shape[0]; i++)
        y[i] += r->scale * u[i];
    free(t);
    free(u);
}

static void norm(const struct reference *r, const struct tiny_tensor *w,
                 const double *x, double *y)
{
    const uint32_t n = r->tiny->config.hidden;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    for (uint32_t i = 0; i < n; i++)
        y[i] = x[i] / sqrt(sum / n + (double)r->tiny->config.rms_eps) *
               (double)w->values[i];
}

/* The pair (x[i], x[i + d/2]) as a complex number, turned by e^(i angle). */
static void rotate(const struct reference *r, uint32_t heads, size_t position,
                   double *x)
{
    const uint32_t d = r->tiny->config.head_dim;
    for (uint32_t h = 0; h < heads; h++) {
        for (uint32_t i = 0; i < d / 2; i++) {
            double angle = (double)position /
                           pow((double)r->tiny->config.rope_base, 2.0 * i / d);
            double *real = &x[h * d + i], *imaginary = &x[h * d + d / 2 + i];
            double a = *real, b = *imaginary;
            *real = a * cos(angle) - b * sin(angle);
            *imaginary = a * sin(angle) + b * cos(angle);
        }
    }
}

/* One head of one query over keys 0..position. */
static void attend(const struct reference *r, const double *q, const double *k,
                   const double *v, size_t position, uint32_t head, double *out)
{
    const struct pnd_llama_config *c = &r->tiny->config;
    const size_t d = c->head_dim, kv = c->kv_heads * d;
    const size_t kv_head = head / (c->heads / c->kv_heads);
    double *p = calloc(position + 1, sizeof *p);
    double sum = 0;
    for (size_t t = 0; t <= position; t++) {
        double dot = 0;
        for (size_t i = 0; i < d; i++)
            dot += q[head * d + i] * k[t * kv + kv_head * d + i];
        p[t] = exp(dot / sqrt((double)d));
        sum += p[t];
    }
    for (size_t i = 0; i < d; i++) {
        out[head * d + i] = 0;
        for (size_t t = 0; t <= position; t++)
            out[head * d + i] += p[t] / sum * v[t * kv + kv_head * d + i];
    }
    free(p);
}

/* Room for one position, and for keys and values of all. */
struct buffers {
    double *n, *q, *a, *o, *gate, *up;
    double *k, *v;
};

static void run_attention(const struct reference *r, size_t layer, size_t count,
                          double *x, const struct buffers *b)
{
    const struct pnd_llama_config *c = &r->tiny->config;
    const size_t kv = (size_t)c->kv_heads * c->head_dim;
    const struct tiny_tensor *w =
        find(r->weights, "", layer, "input_layernorm");
    for (size_t t = 0; t < count; t++) {
        double *row = x + t * c->hidden;
        norm(r, w, row, b->n);
        project(r, layer, "self_attn.q_proj", b->n, b->q);
        project(r, layer, "self_attn.k_proj", b->n, b->k + t * kv);
        project(r, layer, "self_attn.v_proj", b->n, b->v + t * kv);
        rotate(r, c->heads, t, b->q);
        rotate(r, c->kv_heads, t, b->k + t * kv);
        for (uint32_t h = 0; h < c->heads; h++)
            attend(r, b->q, b->k, b->v, t, h, b->a);
        project(r, layer, "self_attn.o_proj", b->a, b->o);
        for (uint32_t i = 0; i < c->hidden; i++)
            row[i] += b->o[i];
    }
}

static void run_mlp(const struct reference *r, size_t layer, size_t count,
                    double *x, const struct buffers *b)
{
    const struct pnd_llama_config *c = &r->tiny->config;
    const struct tiny_tensor *w =
        find(r->weights, "", layer, "post_attention_layernorm");
    for (size_t t = 0; t < count; t++) {
        double *row = x + t * c->hidden;
        norm(r, w, row, b->n);
        project(r, layer, "mlp.gate_proj", b->n, b->gate);
        project(r, layer, "mlp.up_proj", b->n, b->up);
        for (uint32_t i = 0; i < c->intermediate; i++)
            b->gate[i] = b->gate[i] / (1 + exp(-b->gate[i])) * b->up[i];
        project(r, layer, "mlp.down_proj", b->gate, b->o);
        for (uint32_t i = 0; i < c->hidden; i++)
            row[i] += b->o[i];
    }
}

static void copy(const double *from, float *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)from[i];
}

static void run_output(const struct reference *r, size_t count, const double *x,
                       float *hidden, float *logits)
{
    const struct pnd_llama_config *c = &r->tiny->config;
    const struct tiny_tensor *w = tiny_file_find(
        r->weights, c->tied ? "model.embed_tokens.weight" : "lm_head.weight");
    double *n = calloc(c->hidden, sizeof *n);
    double *y = calloc(c->vocab_size, sizeof *y);
    for (size_t t = 0; t < count; t++) {
        norm(r, tiny_file_find(r->weights, "model.norm.weight"),
             x + t * c->hidden, n);
        copy(n, hidden + t * c->hidden, c->hidden);
        multiply(w, n, y);
        copy(y, logits + t * c->vocab_size, c->vocab_size);
    }
    free(n);
    free(y);
}

struct reference_result reference_run(const struct reference *r,
                                      const int32_t *tokens,
                                      const float *vectors, size_t count)
{
    const struct pnd_llama_config *c = &r->tiny->config;
    const size_t q_dim = (size_t)c->heads * c->head_dim;
    const size_t kv = (size_t)c->kv_heads * c->head_dim;
    const size_t stage = count * c->hidden;
    const float *table =
        tiny_file_find(r->weights, "model.embed_tokens.weight")->values;
    struct buffers b = {
        calloc(c->hidden, sizeof(double)), calloc(q_dim, sizeof(double)),
        calloc(q_dim, sizeof(double)), calloc(c->hidden, sizeof(double)),
        calloc(c->intermediate, sizeof(double)),
        calloc(c->intermediate, sizeof(double)),
        calloc(count * kv, sizeof(double)), calloc(count * kv, sizeof(double))};
    struct reference_result result = {
        calloc((c->layers + 1) * stage, sizeof(float)),
        calloc(count * c->vocab_size, sizeof(float))};
    double *x = calloc(stage, sizeof *x);
    for (size_t i = 0; i < stage; i++)
        x[i] = (double)(vectors ? vectors[i]
                                : table[(size_t)tokens[i / c->hidden] *
                                            c->hidden + i % c->hidden]);
    for (size_t layer = 0; layer < c->layers; layer++) {
        copy(x, result.hidden + layer * stage, stage);
        run_attention(r, layer, count, x, &b);
        run_mlp(r, layer, count, x, &b);
    }
    run_output(r, count, x, result.hidden + c->layers * stage, result.logits);
    double *all[] = {x, b.n, b.q, b.a, b.o, b.gate, b.up, b.k, b.v};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return result;
}

void reference_free(struct reference_result *result)
{
    free(result->hidden);
    free(result->logits);
}
