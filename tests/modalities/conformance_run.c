/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/conformance_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_SIZE 256
#define GUARD 0x5c
#define FRESH 0xff /* as floats: not a number */

void subject_set_up_host(const struct conformance *c, struct fake_host *f,
                         uint32_t threads)
{
    fake_host_init(f, threads);
    if (c->set_up_host)
        c->set_up_host(f);
}

static panda_status init_state(struct subject *s)
{
    const panda_frontend_ops *ops = s->c->ops;
    s->state = NULL;
    if (ops->state_size > 0)
        s->state = calloc(1, ops->state_size);
    if (!ops->init)
        return PANDA_OK;
    s->host.host.limits = NULL; /* none apply to init */
    panda_status status = ops->init(s->state, &s->host.host);
    s->host.host.limits = &s->host.limits;
    return status;
}

static void fini_state(struct subject *s)
{
    if (s->c->ops->fini)
        s->c->ops->fini(s->state, &s->host.host);
    free(s->state);
    s->state = NULL;
}

panda_status subject_try_open(struct subject *s, const struct conformance *c,
                              uint32_t threads, long fail_at)
{
    memset(s, 0, sizeof *s);
    s->c = c;
    subject_set_up_host(c, &s->host, threads);
    s->host.fail_at = fail_at;
    c->make_sample(&s->sample);
    s->bytes = malloc(s->sample.size ? s->sample.size : 1);
    if (s->sample.size > 0)
        memcpy(s->bytes, s->sample.bytes, s->sample.size);
    return init_state(s);
}

void subject_open(struct subject *s, const struct conformance *c,
                  uint32_t threads)
{
    panda_status status = subject_try_open(s, c, threads, 0);
    ck_assert_msg(status == PANDA_OK, "init gave %d: %s", (int)status,
                  s->host.message);
}

void subject_close(struct subject *s)
{
    fini_state(s);
    free(s->bytes);
    ck_assert_msg(fake_host_check(&s->host) == 0,
                  "%ld blocks leaked, %ld damaged, %d wrong messages",
                  atomic_load(&s->host.live), atomic_load(&s->host.damaged),
                  s->host.misuses);
}

static panda_input make_input(const struct subject *s, panda_source source)
{
    /* The raw form carries the options. */
    panda_input input = s->sample.raw;
    input.struct_size = sizeof input;
    input.modality = s->c->ops->modality;
    input.source = source;
    if (source == PANDA_SOURCE_RAW)
        return input;
    input.element = 0;
    input.width = input.height = input.channels = 0;
    input.row_stride = input.frame_stride = input.count = 0;
    input.rate = 0;
    input.data = NULL;
    input.size = 0;
    return input;
}

panda_input subject_make_bytes(const struct subject *s, const void *data,
                              size_t size)
{
    panda_input input = make_input(s, PANDA_SOURCE_BYTES);
    input.data = data;
    input.size = size;
    return input;
}

panda_input subject_make_path(const struct subject *s, const char *path)
{
    panda_input input = make_input(s, PANDA_SOURCE_PATH);
    input.path = path;
    return input;
}

panda_input subject_make_raw(const struct subject *s)
{
    return make_input(s, PANDA_SOURCE_RAW);
}

panda_input subject_make_any(const struct subject *s)
{
    if (s->sample.size > 0)
        return subject_make_bytes(s, s->bytes, s->sample.size);
    ck_assert_msg(s->sample.has_raw, "the sample is empty");
    return subject_make_raw(s);
}

static size_t get_size(const panda_frontend_tensor *t)
{
    size_t size = (size_t)t->items * 4; /* both elements have 4 bytes */
    for (uint32_t i = 0; i < t->rank; i++)
        size *= t->shape[i];
    return size;
}

static void check_description(const struct conformance *c,
                              const panda_frontend_tensor *t)
{
    ck_assert_uint_eq(t->struct_size, c->tensor.struct_size);
    ck_assert_int_eq(t->element, c->tensor.element);
    ck_assert_uint_eq(t->rank, c->tensor.rank);
    ck_assert_uint_ge(t->items, 1);
    ck_assert_uint_le(t->items, 65536);
    bool frames = c->ops->modality == PANDA_MODALITY_IMAGE ||
                  c->ops->modality == PANDA_MODALITY_VIDEO;
    for (uint32_t i = 0; i < t->rank; i++) {
        ck_assert_uint_ge(t->shape[i], 1);
        if (i != 1 || !frames)
            ck_assert_uint_eq(t->shape[i], c->tensor.shape[i]);
    }
}

/* Failures are errors with one line of text, recorded with the same status. */
static void check_failure(const struct fake_host *f, panda_status status)
{
    ck_assert_int_lt(status, 0);
    ck_assert_int_ne(status, PANDA_E_INTERNAL);
    if (status == PANDA_E_MEMORY)
        return;
    ck_assert_msg(f->failures > 0, "status %d came without a message",
                  (int)status);
    ck_assert_int_eq(f->status, status);
    ck_assert_ptr_null(strpbrk(f->message, "\r\n"));
}

static void check_guard(const unsigned char *guard, const char *where)
{
    for (int i = 0; i < GUARD_SIZE; i++)
        ck_assert_msg(guard[i] == GUARD, "byte %d %s the output was written",
                      i, where);
}

static void check_values(const struct result *r)
{
    const unsigned char fresh[4] = {FRESH, FRESH, FRESH, FRESH};
    for (size_t i = 0; i < r->size / 4; i++) {
        const char *value = (const char *)r->values + i * 4;
        /* Each assertion that holds costs a system call, and there are
         * millions of values. */
        if (memcmp(value, fresh, 4) == 0)
            ck_abort_msg("value %zu was not written", i);
        float f;
        memcpy(&f, value, sizeof f);
        if (r->tensor.element == PANDA_ELEMENT_F32 && !isfinite(f))
            ck_abort_msg("value %zu is not finite", i);
    }
}

/* Describe and preprocess into guarded memory; checks what holds always. */
struct result result_run(const struct subject *s, struct fake_host *f,
                         const panda_input *input)
{
    const struct conformance *c = s->c;
    struct result r = {.tensor = c->tensor};
    r.tensor.items = 1;
    r.status = c->ops->describe(s->state, &f->host, input, &r.tensor);
    if (r.status != PANDA_OK) {
        check_failure(f, r.status);
        return r;
    }
    check_description(c, &r.tensor);
    r.size = get_size(&r.tensor);
    void *memory = NULL;
    ck_assert_int_eq(posix_memalign(&memory, 64, r.size + 2 * GUARD_SIZE), 0);
    r.block = memory;
    memset(r.block, GUARD, GUARD_SIZE);
    memset(r.block + GUARD_SIZE, FRESH, r.size);
    memset(r.block + GUARD_SIZE + r.size, GUARD, GUARD_SIZE);
    const panda_frontend_tensor promised = r.tensor;
    r.status = c->ops->preprocess(s->state, &f->host, input, &promised,
                                  r.block + GUARD_SIZE);
    check_guard(r.block, "before");
    check_guard(r.block + GUARD_SIZE + r.size, "after");
    if (r.status != PANDA_OK) {
        check_failure(f, r.status);
        free(r.block);
        return r;
    }
    r.values = r.block + GUARD_SIZE;
    check_values(&r);
    return r;
}

void result_free(struct result *r)
{
    if (r->status == PANDA_OK)
        free(r->block);
}

/* The sample must work. */
struct result result_run_good(struct subject *s, const panda_input *input)
{
    struct result r = result_run(s, &s->host, input);
    ck_assert_msg(r.status == PANDA_OK, "the sample (source %d) gave %d: %s",
                  (int)input->source, (int)r.status, s->host.message);
    return r;
}

bool result_is_same(const struct result *a, const struct result *b)
{
    return a->tensor.items == b->tensor.items && a->size == b->size &&
           memcmp(a->values, b->values, a->size) == 0;
}
