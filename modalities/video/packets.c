/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/video/packets.h"

#include <string.h>

#define FIRST_CAPACITY 1024

void pnd_packets_init(struct pnd_packets *p, const panda_frontend_host *host)
{
    *p = (struct pnd_packets){.host = host, .timed = true};
}

void pnd_packets_free(struct pnd_packets *p)
{
    if (!p->host)
        return;
    p->host->free(p->host, p->list);
    p->host->free(p->host, p->times);
    *p = (struct pnd_packets){0};
}

static panda_status grow(struct pnd_packets *p)
{
    size_t capacity = p->capacity ? 2 * p->capacity : FIRST_CAPACITY;
    struct pnd_packet *list = pnd_host_alloc(p->host, capacity, sizeof *list);
    if (!list)
        return pnd_host_fail_memory(p->host);
    if (p->count > 0)
        memcpy(list, p->list, p->count * sizeof *list);
    p->host->free(p->host, p->list);
    p->list = list;
    p->capacity = capacity;
    return PANDA_OK;
}

panda_status pnd_packets_add(struct pnd_packets *p, bool has_time, int64_t time,
                             bool is_key)
{
    if (p->count == p->capacity) {
        panda_status status = grow(p);
        if (status < 0)
            return status;
    }
    p->timed = p->timed && has_time;
    p->list[p->count++] = (struct pnd_packet){time, is_key};
    return PANDA_OK;
}

/* Heap sort: the C library's qsort may allocate, and a hostile file must not
 * make this quadratic. */
static void sift(int64_t *heap, size_t at, size_t count)
{
    int64_t value = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && heap[child + 1] > heap[child];
        if (heap[child] <= value)
            break;
        heap[at] = heap[child];
    }
    heap[at] = value;
}

static void sort(int64_t *values, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift(values, i, count);
    for (size_t last = count; last-- > 1;) {
        int64_t largest = values[0];
        values[0] = values[last];
        values[last] = largest;
        sift(values, 0, last);
    }
}

panda_status pnd_packets_finish(struct pnd_packets *p)
{
    if (!p->timed || p->count == 0)
        return PANDA_OK;
    p->times = pnd_host_alloc(p->host, p->count, sizeof *p->times);
    if (!p->times)
        return pnd_host_fail_memory(p->host);
    for (size_t i = 0; i < p->count; i++)
        p->times[i] = p->list[i].time;
    sort(p->times, p->count);
    for (size_t i = 1; i < p->count; i++)
        if (p->times[i] == p->times[i - 1])
            p->timed = false;
    return PANDA_OK;
}

size_t pnd_packets_find_key(struct pnd_packets *p, int64_t time)
{
    for (; p->seen < p->count; p->seen++) {
        if (!p->list[p->seen].is_key)
            continue;
        if (p->list[p->seen].time > time)
            break;
        p->key = p->seen;
    }
    return p->key;
}
