/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/fake_host.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Each block: size, padding to 64 bytes, the block, 64 guard bytes. */
#define ALIGN 64
#define GUARD 0xc3
#define FRESH 0xa5 /* new memory holds no zeros */
#define MAX_THREADS 64
#define MAX_BLOCK ((size_t)1 << 30) /* larger ones fail */

static struct fake_host *get_fake(const panda_frontend_host *host)
{
    return host->internal;
}

static void *fake_alloc(const panda_frontend_host *host, size_t size)
{
    struct fake_host *f = get_fake(host);
    if (size == 0)
        return NULL;
    long count = atomic_fetch_add(&f->count, 1) + 1;
    if ((f->fail_at > 0 && count >= f->fail_at) || size > MAX_BLOCK)
        return NULL;
    void *memory = NULL;
    if (posix_memalign(&memory, ALIGN, size + 2 * ALIGN) != 0)
        return NULL;
    unsigned char *block = (unsigned char *)memory + ALIGN;
    memcpy(memory, &size, sizeof size);
    memset(block, FRESH, size);
    memset(block + size, GUARD, ALIGN);
    atomic_fetch_add(&f->live, 1);
    return block;
}

static void fake_free(const panda_frontend_host *host, void *memory)
{
    struct fake_host *f = get_fake(host);
    if (!memory)
        return;
    unsigned char *block = memory;
    size_t size;
    memcpy(&size, block - ALIGN, sizeof size);
    for (size_t i = 0; i < ALIGN; i++) {
        if (block[size + i] != GUARD) {
            atomic_fetch_add(&f->damaged, 1);
            break;
        }
    }
    atomic_fetch_sub(&f->live, 1);
    free(block - ALIGN);
}

static panda_status fake_fail(const panda_frontend_host *host,
                              panda_status status, const char *message)
{
    struct fake_host *f = get_fake(host);
    f->failures++;
    f->status = status;
    size_t length = strlen(message);
    if (status >= 0 || length == 0 || length >= sizeof f->message)
        f->misuses++;
    if (length >= sizeof f->message)
        length = sizeof f->message - 1;
    memcpy(f->message, message, length);
    f->message[length] = '\0';
    return status;
}

static void fake_log(const panda_frontend_host *host, panda_log_level level,
                     const char *message)
{
    struct fake_host *f = get_fake(host);
    if (level < PANDA_LOG_ERROR || level > PANDA_LOG_DEBUG || !message)
        f->misuses++;
    f->logs++;
}

static int32_t fake_is_cancelled(const panda_frontend_host *host)
{
    struct fake_host *f = get_fake(host);
    long asked = atomic_fetch_add(&f->asked, 1) + 1;
    return f->cancel_at > 0 && asked >= f->cancel_at;
}

struct loop {
    panda_task_fn task;
    void *context;
    uint32_t count;
    atomic_uint_fast64_t next;
};

struct loop_thread {
    pthread_t thread;
    struct loop *loop;
    uint32_t worker;
};

static void *run_loop(void *argument)
{
    struct loop_thread *t = argument;
    for (;;) {
        uint64_t index = atomic_fetch_add(&t->loop->next, 1);
        if (index >= t->loop->count)
            return NULL;
        t->loop->task(t->loop->context, (uint32_t)index, t->worker);
    }
}

static void fake_parallel(const panda_frontend_host *host, panda_task_fn task,
                          void *context, uint32_t count)
{
    struct loop loop = {.task = task, .context = context, .count = count};
    struct loop_thread threads[MAX_THREADS];
    uint32_t started = 1;
    for (; started < host->threads; started++) {
        threads[started] = (struct loop_thread){.loop = &loop,
                                                .worker = started};
        if (pthread_create(&threads[started].thread, NULL, run_loop,
                           &threads[started]) != 0)
            break;
    }
    threads[0] = (struct loop_thread){.loop = &loop};
    run_loop(&threads[0]);
    for (uint32_t i = 1; i < started; i++)
        pthread_join(threads[i].thread, NULL);
}

static panda_status fake_get_resource(const panda_frontend_host *host,
                                      const char *name, const void **data,
                                      size_t *size)
{
    struct fake_host *f = get_fake(host);
    for (int i = 0; i < FAKE_HOST_RESOURCES; i++) {
        if (f->resources[i].name && strcmp(f->resources[i].name, name) == 0) {
            *data = f->resources[i].data;
            *size = f->resources[i].size;
            return PANDA_OK;
        }
    }
    return fake_fail(host, PANDA_E_UNSUPPORTED,
                     "the model has no such resource");
}

void fake_host_init(struct fake_host *f, uint32_t threads)
{
    memset(f, 0, sizeof *f);
    f->limits = (panda_frontend_limits){
        .struct_size = sizeof f->limits,
        .max_file_bytes = UINT64_C(1) << 30,
        .max_pixels = 178956970,
        .max_seconds = 3600,
    };
    f->host = (panda_frontend_host){
        .struct_size = sizeof f->host,
        .abi_version = PANDA_FRONTEND_ABI_VERSION,
        .alloc = fake_alloc,
        .free = fake_free,
        .fail = fake_fail,
        .log = fake_log,
        .is_cancelled = fake_is_cancelled,
        .parallel = fake_parallel,
        .get_resource = fake_get_resource,
        .threads = threads < MAX_THREADS ? threads : MAX_THREADS,
        .limits = &f->limits,
        .internal = f,
    };
}

void fake_host_set_resource(struct fake_host *f, const char *name,
                            const void *data, size_t size)
{
    for (int i = 0; i < FAKE_HOST_RESOURCES; i++) {
        if (f->resources[i].name && strcmp(f->resources[i].name, name) != 0)
            continue;
        f->resources[i].name = name;
        f->resources[i].data = data;
        f->resources[i].size = size;
        return;
    }
    abort();
}

void fake_host_clear(struct fake_host *f)
{
    f->failures = 0;
    f->status = PANDA_OK;
    f->message[0] = '\0';
    f->fail_at = 0;
    f->cancel_at = 0;
    atomic_store(&f->count, 0);
    atomic_store(&f->asked, 0);
}

long fake_host_check(const struct fake_host *f)
{
    return atomic_load(&f->live) + atomic_load(&f->damaged) + f->misuses;
}
