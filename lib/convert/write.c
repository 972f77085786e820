/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/output.h"
#include "convert/rows.h"

#define CHUNK_BYTES ((size_t)16 << 20) /* made or copied at once */

struct writer {
    const struct pnd_context *ctx;
    struct pnd_output output;
    struct pnd_convert_watch *watch;
};

static panda_status write_bytes(struct writer *w, const void *data,
                                size_t size, const char *what)
{
    panda_status status = pnd_output_write(&w->output, data, size);
    return status < 0 ? status : pnd_convert_watch_add(w->watch, size, what);
}

static panda_status copy(struct writer *w, const struct pnd_plan_tensor *t)
{
    const char *from = t->make == PND_MAKE_VALUES ? (const char *)t->values
                                                  : t->tensor->data;
    size_t left = (size_t)pnd_plan_get_bytes(t);
    panda_status status = PANDA_OK;
    while (left > 0 && status == PANDA_OK) {
        size_t n = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        status = write_bytes(w, from, n, t->name);
        if (t->weights)
            pnd_weights_forget(t->weights, from, n);
        from += n;
        left -= n;
    }
    return status;
}

/* Rows that are made at once: whole groups, as many as fit a chunk both as
 * they are read and as they are written. */
static size_t get_step(const struct pnd_rows *rows)
{
    const size_t group =
        PND_GROUP_ROWS * (rows->columns * sizeof(float) + rows->bytes);
    const size_t groups = CHUNK_BYTES / group;
    return (groups > 0 ? groups : 1) * PND_GROUP_ROWS;
}

static void forget(const struct pnd_plan_tensor *t)
{
    pnd_weights_forget(t->weights, t->tensor->data, t->tensor->bytes);
    if (t->base)
        pnd_weights_forget(t->base_weights, t->base->data, t->base->bytes);
}

static panda_status make(struct writer *w, const struct pnd_plan_tensor *t)
{
    struct pnd_rows rows;
    panda_status status = pnd_rows_begin(&rows, w->ctx, t);
    if (status < 0)
        return status;
    size_t step = get_step(&rows);
    if (step > rows.count)
        step = rows.count;
    void *chunk = pnd_alloc_array(&w->ctx->alloc, step, rows.bytes);
    if (!chunk)
        status = pnd_fail_memory();
    for (size_t first = 0; first < rows.count && status == PANDA_OK;
         first += step) {
        const size_t left = rows.count - first;
        const size_t count = left < step ? left : step;
        status = pnd_rows_make(&rows, first, count, chunk);
        if (status == PANDA_OK)
            status = write_bytes(w, chunk, count * rows.bytes, t->name);
        forget(t);
    }
    pnd_free(&w->ctx->alloc, chunk);
    pnd_rows_end(&rows);
    return status;
}

static panda_status write_tensor(struct writer *w,
                                 const struct pnd_plan_tensor *t)
{
    static const char zeros[PND_GGUF_ALIGNMENT];
    const uint64_t bytes = pnd_plan_get_bytes(t);
    panda_status status =
        t->make == PND_MAKE_VALUES || pnd_rows_are_copied(t) ? copy(w, t)
                                                             : make(w, t);
    if (status < 0)
        return status;
    return pnd_output_write(&w->output, zeros,
                            (size_t)(pnd_gguf_pad(bytes) - bytes));
}

panda_status pnd_plan_write(const struct pnd_plan *plan,
                            const struct pnd_gguf_writer *gguf,
                            const char *path, struct pnd_convert_watch *watch)
{
    struct writer w = {.ctx = plan->ctx, .watch = watch};
    struct pnd_buffer head;
    panda_status status;
    pnd_buffer_init(&head, &plan->ctx->alloc);
    PND_TRY(pnd_gguf_writer_finish(gguf, &head));
    PND_TRY(pnd_output_open(&w.output, &plan->ctx->alloc, path,
                            head.size + gguf->data_size));
    PND_TRY(pnd_output_write(&w.output, head.data, head.size));
    for (size_t i = 0; i < plan->count; i++)
        PND_TRY(write_tensor(&w, &plan->tensors[i]));
    PND_TRY(pnd_output_commit(&w.output));
out:
    pnd_output_close(&w.output);
    pnd_buffer_free(&head);
    return status;
}
