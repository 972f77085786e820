/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/importance.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/output.h"
#include "decoder/llama_names.h"
#include "decoder/llama_weights.h"
#include "format/gguf_write.h"

#define NAME_MAX_BYTES 96

/* Sums of squares of one input, over all positions. */
struct sums {
    double *squares; /* (width) */
    uint32_t width;
};

struct measure {
    const struct pnd_context *ctx;
    const struct pnd_llama *llama;
    struct sums *inputs; /* (layers * PND_INPUT_OUTPUT + 1), output last */
    double *squares;     /* of all of them */
    size_t positions;
    uint32_t chunks, context;
};

static size_t count_inputs(const struct measure *m)
{
    return (size_t)m->llama->dims.config.layers * PND_INPUT_OUTPUT + 1;
}

static void add_squares(enum pnd_llama_input input, uint32_t layer,
                        uint32_t rows, uint32_t width, const float *x,
                        void *user)
{
    struct measure *m = user;
    double *squares = m->inputs[input == PND_INPUT_OUTPUT
                                    ? count_inputs(m) - 1
                                    : (size_t)layer * PND_INPUT_OUTPUT + input]
                          .squares;
    for (uint32_t r = 0; r < rows; r++, x += width) {
        for (uint32_t i = 0; i < width; i++)
            squares[i] += (double)x[i] * (double)x[i];
    }
}

static panda_status make_sums(struct measure *m)
{
    const struct pnd_llama_config *c = &m->llama->dims.config;
    const uint32_t widths[] = {c->hidden, c->heads * c->head_dim, c->hidden,
                               c->intermediate};
    const size_t inputs = count_inputs(m);
    size_t total = c->hidden;
    for (size_t i = 0; i < PND_INPUT_OUTPUT; i++)
        total += (size_t)c->layers * widths[i];
    m->inputs = pnd_alloc_array(&m->ctx->alloc, inputs, sizeof *m->inputs);
    m->squares = pnd_alloc_array(&m->ctx->alloc, total, sizeof *m->squares);
    if (!m->inputs || !m->squares)
        return pnd_fail_memory();
    memset(m->squares, 0, total * sizeof *m->squares);
    double *at = m->squares;
    for (size_t i = 0; i < inputs; i++) {
        const uint32_t width =
            i + 1 < inputs ? widths[i % PND_INPUT_OUTPUT] : c->hidden;
        m->inputs[i] = (struct sums){at, width};
        at += width;
    }
    return PANDA_OK;
}

/* One piece of the text: what the session sees goes to add_squares. */
static panda_status run_chunk(struct measure *m, struct pnd_session *session,
                              const int32_t *tokens, size_t count, int32_t bos)
{
    panda_status status = PANDA_OK;
    pnd_session_truncate(session, 0);
    if (bos >= 0)
        status = pnd_session_push_tokens(session, &bos, 1, NULL);
    if (status == PANDA_OK)
        status = pnd_session_push_tokens(session, tokens, count, NULL);
    m->positions += count + (bos >= 0);
    m->chunks++;
    return status;
}

static panda_status run_text(struct measure *m, const int32_t *tokens,
                             size_t count, int32_t bos,
                             const struct pnd_watch *watch)
{
    struct pnd_session *session;
    panda_status status;
    const size_t step = m->context - (bos >= 0);
    PND_TRY(pnd_session_create(&session, m->ctx, m->llama, m->context,
                               PND_F32));
    pnd_session_set_inputs(session, add_squares, m);
    for (size_t done = 0; done < count; done += step) {
        const size_t left = count - done;
        PND_TRY(pnd_watch_check(watch, (double)done / (double)count));
        PND_TRY(run_chunk(m, session, tokens + done, left < step ? left : step,
                          bos));
    }
    PND_TRY(pnd_watch_check(watch, 1));
out:
    pnd_session_destroy(session);
    return status;
}

/* -------------------------------------------------------- the file ---- */

/* A matrix of the file: its name, and the input that it shares with others. */
struct entry {
    char name[NAME_MAX_BYTES];
    const struct sums *sums;
};

static size_t count_entries(const struct measure *m)
{
    return (size_t)m->llama->dims.config.layers * PND_LLAMA_MATRIX_COUNT + 1;
}

static struct entry get_entry(const struct measure *m, size_t index)
{
    static const enum pnd_llama_input of[PND_LLAMA_MATRIX_COUNT] = {
        [PND_LLAMA_Q] = PND_INPUT_QKV,        [PND_LLAMA_K] = PND_INPUT_QKV,
        [PND_LLAMA_V] = PND_INPUT_QKV,        [PND_LLAMA_O] = PND_INPUT_O,
        [PND_LLAMA_GATE] = PND_INPUT_GATE_UP,
        [PND_LLAMA_UP] = PND_INPUT_GATE_UP,
        [PND_LLAMA_DOWN] = PND_INPUT_DOWN};
    const struct pnd_llama_names *names = &pnd_llama_names_gguf;
    struct entry e;
    if (index + 1 == count_entries(m)) {
        snprintf(e.name, sizeof e.name, "%s",
                 m->llama->dims.config.tied ? names->embedding
                                            : names->output);
        e.sums = &m->inputs[count_inputs(m) - 1];
        return e;
    }
    const uint32_t layer = (uint32_t)(index / PND_LLAMA_MATRIX_COUNT);
    const size_t matrix = index % PND_LLAMA_MATRIX_COUNT;
    snprintf(e.name, sizeof e.name, "%s",
             pnd_llama_name_tensor(names, layer, names->matrices[matrix]).text);
    e.sums = &m->inputs[(size_t)layer * PND_INPUT_OUTPUT + of[matrix]];
    return e;
}

static panda_status describe(const struct measure *m, struct pnd_gguf_writer *w)
{
    panda_status status;
    PND_TRY(pnd_gguf_put_text(w, "general.type", "imatrix"));
    PND_TRY(pnd_gguf_put_strings(w, "imatrix.datasets", 1));
    PND_TRY(pnd_gguf_put_item(w, "text", 4));
    PND_TRY(pnd_gguf_put_u32(w, "imatrix.chunk_count", m->chunks));
    PND_TRY(pnd_gguf_put_u32(w, "imatrix.chunk_size", m->context));
    for (size_t i = 0; i < count_entries(m); i++) {
        const struct entry e = get_entry(m, i);
        char name[NAME_MAX_BYTES + 16];
        snprintf(name, sizeof name, "%s.in_sum2", e.name);
        PND_TRY(pnd_gguf_put_tensor(w, name, PND_F32, 2,
                                    (int64_t[]){1, e.sums->width}));
        snprintf(name, sizeof name, "%s.counts", e.name);
        PND_TRY(pnd_gguf_put_tensor(w, name, PND_F32, 2, (int64_t[]){1, 1}));
    }
out:
    return status;
}

/* Floats and the padding behind them. */
static panda_status write_floats(struct pnd_output *out, const float *x,
                                 size_t count)
{
    static const char zeros[PND_GGUF_ALIGNMENT];
    const size_t bytes = count * sizeof *x;
    panda_status status = pnd_output_write(out, x, bytes);
    return status < 0 ? status
                      : pnd_output_write(out, zeros,
                                         (size_t)pnd_gguf_pad(bytes) - bytes);
}

static panda_status write_sums(const struct measure *m, struct pnd_output *out)
{
    const struct pnd_llama_config *c = &m->llama->dims.config;
    const float count = (float)m->positions;
    uint32_t widest = c->hidden;
    if (c->intermediate > widest)
        widest = c->intermediate;
    if (c->heads * c->head_dim > widest)
        widest = c->heads * c->head_dim;
    float *x = pnd_alloc_array(&m->ctx->alloc, widest, sizeof *x);
    panda_status status = x ? PANDA_OK : pnd_fail_memory();
    for (size_t i = 0; i < count_entries(m) && status == PANDA_OK; i++) {
        const struct sums *s = get_entry(m, i).sums;
        for (uint32_t j = 0; j < s->width; j++)
            x[j] = (float)s->squares[j];
        status = write_floats(out, x, s->width);
        if (status == PANDA_OK)
            status = write_floats(out, &count, 1);
    }
    pnd_free(&m->ctx->alloc, x);
    return status;
}

static panda_status write_file(const struct measure *m, const char *path)
{
    struct pnd_output out = {.file = -1};
    struct pnd_gguf_writer w;
    struct pnd_buffer head;
    panda_status status;
    pnd_buffer_init(&head, &m->ctx->alloc);
    PND_TRY(pnd_gguf_writer_init(&w, &m->ctx->alloc, "imatrix"));
    PND_TRY(describe(m, &w));
    PND_TRY(pnd_gguf_writer_finish(&w, &head));
    PND_TRY(pnd_output_open(&out, &m->ctx->alloc, path,
                            head.size + w.data_size));
    PND_TRY(pnd_output_write(&out, head.data, head.size));
    PND_TRY(write_sums(m, &out));
    PND_TRY(pnd_output_commit(&out));
out:
    pnd_output_close(&out);
    pnd_buffer_free(&head);
    pnd_gguf_writer_free(&w);
    return status;
}

panda_status pnd_importance_measure(const struct pnd_context *ctx,
                                    const struct pnd_llama *llama,
                                    const int32_t *tokens, size_t count,
                                    int32_t bos, uint32_t context,
                                    const char *path,
                                    const struct pnd_watch *watch)
{
    struct measure m = {.ctx = ctx, .llama = llama, .context = context};
    panda_status status;
    if (count == 0 || context < 2)
        return pnd_fail(PANDA_E_ARGUMENT,
                        "%zu tokens in pieces of %" PRIu32 " to measure, "
                        "expected at least 1 in pieces of 2",
                        count, context);
    PND_TRY(make_sums(&m));
    PND_TRY(run_text(&m, tokens, count, bos, watch));
    PND_TRY(write_file(&m, path));
out:
    pnd_free(&ctx->alloc, m.inputs);
    pnd_free(&ctx->alloc, m.squares);
    return status;
}
