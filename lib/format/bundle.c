/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/bundle.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define MERGES_USED 48894 /* later lines of CLIP's file name no tokens */
#define MERGES_FIRST_LINE "#version: 0.2\n"
#define MAX_VALUES 3

#define VISION (1u << PND_TOWER_VISION)
#define TEXT (1u << PND_TOWER_TEXT)
#define AUDIO (1u << PND_TOWER_AUDIO)
#define DEPTH (1u << PND_TOWER_DEPTH)
#define IMU (1u << PND_TOWER_IMU)

/* What the frontends compute with by default, as ImageBind was trained. Those
 * of type U32 are whole numbers. */
static const struct constant {
    const char *key;
    uint32_t tower;
    enum pnd_gguf_type type; /* F32 or U32 */
    uint32_t count;          /* above 1: a list */
    float values[MAX_VALUES];
} constants[] = {
    {"pandagpt.image.mean", VISION, PND_GGUF_F32, 3,
     {0.48145466f, 0.4578275f, 0.40821073f}},
    {"pandagpt.image.std", VISION, PND_GGUF_F32, 3,
     {0.26862954f, 0.26130258f, 0.27577711f}},
    {"pandagpt.video.clips", VISION, PND_GGUF_U32, 1, {5}},
    {"pandagpt.video.clip_seconds", VISION, PND_GGUF_F32, 1, {2}},
    {"pandagpt.video.crops", VISION, PND_GGUF_U32, 1, {3}},
    {"pandagpt.audio.sample_rate", AUDIO, PND_GGUF_U32, 1, {16000}},
    {"pandagpt.audio.clips", AUDIO, PND_GGUF_U32, 1, {3}},
    {"pandagpt.audio.clip_seconds", AUDIO, PND_GGUF_F32, 1, {2}},
    {"pandagpt.audio.mel_bins", AUDIO, PND_GGUF_U32, 1, {128}},
    {"pandagpt.audio.frames", AUDIO, PND_GGUF_U32, 1, {204}},
    {"pandagpt.audio.preemphasis", AUDIO, PND_GGUF_F32, 1, {0.97f}},
    {"pandagpt.audio.lowest_hz", AUDIO, PND_GGUF_F32, 1, {20}},
    {"pandagpt.audio.mean", AUDIO, PND_GGUF_F32, 1, {-4.268f}},
    {"pandagpt.audio.std", AUDIO, PND_GGUF_F32, 1, {9.138f}},
    {"pandagpt.depth.minimum", DEPTH, PND_GGUF_F32, 1, {0.01f}},
    {"pandagpt.depth.maximum", DEPTH, PND_GGUF_F32, 1, {50}},
    {"pandagpt.depth.baseline", DEPTH, PND_GGUF_F32, 1, {0.075f}},
    {"pandagpt.depth.focal_length", DEPTH, PND_GGUF_F32, 1, {570}},
    {"pandagpt.depth.largest_disparity", DEPTH, PND_GGUF_F32, 1, {75}},
    {"pandagpt.depth.mean", DEPTH, PND_GGUF_F32, 1, {0.0418f}},
    {"pandagpt.depth.std", DEPTH, PND_GGUF_F32, 1, {0.0295f}},
    {"pandagpt.imu.channels", IMU, PND_GGUF_U32, 1, {6}},
    {"pandagpt.imu.samples", IMU, PND_GGUF_U32, 1, {2000}},
    {"pandagpt.text.start_token", TEXT, PND_GGUF_U32, 1, {49406}},
    {"pandagpt.text.end_token", TEXT, PND_GGUF_U32, 1, {49407}},
};

#define CONSTANTS (sizeof constants / sizeof *constants)

bool pnd_bundle_is(const struct pnd_gguf *gguf)
{
    return pnd_gguf_is_string(gguf, "general.architecture",
                              PND_BUNDLE_ARCHITECTURE);
}

static panda_status check_constant(const struct pnd_gguf *gguf,
                                   const struct constant *c)
{
    const struct pnd_gguf_value *v = pnd_gguf_find(gguf, c->key);
    if (!v)
        return PANDA_OK;
    if (v->count != c->count || v->is_array != (c->count > 1))
        return pnd_fail(PANDA_E_FORMAT, "%s: %s has %zu numbers, expected %u",
                        pnd_gguf_get_path(gguf), c->key, v->count, c->count);
    for (uint32_t i = 0; i < c->count; i++) {
        double found;
        if (!pnd_gguf_get_number(v, i, &found))
            return pnd_fail(PANDA_E_FORMAT, "%s: %s is not a number",
                            pnd_gguf_get_path(gguf), c->key);
        if ((float)found != c->values[i])
            return pnd_fail(PANDA_E_UNSUPPORTED,
                            "%s: %s is %.9g, this library computes with %.9g",
                            pnd_gguf_get_path(gguf), c->key, found,
                            (double)c->values[i]);
    }
    return PANDA_OK;
}

panda_status pnd_bundle_check(const struct pnd_gguf *gguf)
{
    int64_t version = 0;
    panda_status status = pnd_gguf_read_integer(
        &version, gguf, PND_BUNDLE_VERSION_KEY, 1, UINT32_MAX);
    if (status < 0)
        return status;
    if (version == 0)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: " PND_BUNDLE_VERSION_KEY " is missing",
                        pnd_gguf_get_path(gguf));
    if (version > PND_BUNDLE_VERSION)
        return pnd_fail(PANDA_E_UNSUPPORTED,
                        "%s: " PND_BUNDLE_VERSION_KEY " is %lld, this library "
                        "reads versions up to %d",
                        pnd_gguf_get_path(gguf), (long long)version,
                        PND_BUNDLE_VERSION);
    for (size_t i = 0; i < CONSTANTS && status >= 0; i++)
        status = check_constant(gguf, &constants[i]);
    return status;
}

panda_status pnd_bundle_put_constants(struct pnd_gguf_writer *w,
                                      uint32_t towers)
{
    panda_status status = PANDA_OK;
    for (size_t i = 0; i < CONSTANTS && status >= 0; i++) {
        const struct constant *c = &constants[i];
        if (!(c->tower & towers))
            continue;
        if (c->count > 1)
            status = pnd_gguf_put_list(w, c->key, c->type, c->values,
                                       c->count);
        else if (c->type == PND_GGUF_U32)
            status = pnd_gguf_put_u32(w, c->key, (uint32_t)c->values[0]);
        else
            status = pnd_gguf_put_f32(w, c->key, c->values[0]);
    }
    return status;
}

struct key {
    char text[64];
};

static struct key name_heads(enum pnd_tower_id id)
{
    struct key key;
    snprintf(key.text, sizeof key.text, "pandagpt.%s.head_count",
             pnd_tower_get_name(id));
    return key;
}

panda_status pnd_bundle_put_heads(struct pnd_gguf_writer *w,
                                  enum pnd_tower_id id, uint32_t heads)
{
    return pnd_gguf_put_u32(w, name_heads(id).text, heads);
}

panda_status pnd_bundle_read_config(struct pnd_imagebind_config *out,
                                    const struct pnd_gguf *gguf)
{
    int64_t value = 0;
    panda_status status = PANDA_OK;
    *out = (struct pnd_imagebind_config){0};
    for (int id = 0; id < PND_TOWER_COUNT && status >= 0; id++) {
        value = 0;
        status = pnd_gguf_read_integer(
            &value, gguf, name_heads((enum pnd_tower_id)id).text, 1, 4096);
        out->heads[id] = (uint32_t)value;
    }
    value = 0;
    if (status >= 0)
        status = pnd_gguf_read_integer(&value, gguf, PND_BUNDLE_STRIDE_KEY, 1,
                                       1024);
    out->audio_stride = (uint32_t)value;
    return status;
}

static panda_status fail_merges(const struct pnd_gguf *gguf)
{
    return pnd_fail(PANDA_E_FORMAT,
                    "%s: " PND_BUNDLE_MERGES_KEY " is not a list of strings "
                    "without line breaks",
                    pnd_gguf_get_path(gguf));
}

panda_status pnd_bundle_read_merges(char **text, size_t *size,
                                    const struct pnd_allocator *alloc,
                                    const struct pnd_gguf *gguf)
{
    const struct pnd_gguf_value *v =
        pnd_gguf_find(gguf, PND_BUNDLE_MERGES_KEY);
    struct pnd_buffer b;
    struct pnd_gguf_string line;
    panda_status status;
    *text = NULL;
    *size = 0;
    if (!v)
        return PANDA_OK;
    if (!v->is_array || v->type != PND_GGUF_STRING)
        return fail_merges(gguf);
    pnd_buffer_init(&b, alloc);
    /* A string takes 8 bytes and more in the file, a line one more here. */
    PND_TRY(pnd_buffer_reserve(&b, sizeof MERGES_FIRST_LINE + v->bytes));
    PND_TRY(pnd_buffer_append_string(&b, MERGES_FIRST_LINE));
    for (size_t i = 0; i < v->count; i++) {
        if (!pnd_gguf_get_string(v, i, &line) ||
            (line.length > 0 && memchr(line.bytes, '\n', line.length)))
            PND_TRY(fail_merges(gguf));
        PND_TRY(pnd_buffer_append(&b, line.bytes, line.length));
        PND_TRY(pnd_buffer_append(&b, "\n", 1));
    }
    PND_TRY(pnd_buffer_terminate(&b));
    *text = (char *)b.data;
    *size = b.size;
    return PANDA_OK;
out:
    pnd_buffer_free(&b);
    return status;
}

/* The next line without its end; false behind the last. */
static bool take_line(const char **at, const char *end,
                      struct pnd_gguf_string *line)
{
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    *line = (struct pnd_gguf_string){*at,
                                     (size_t)((stop ? stop : end) - *at)};
    *at = stop ? stop + 1 : end;
    if (line->length > 0 && line->bytes[line->length - 1] == '\r')
        line->length--;
    return true;
}

panda_status pnd_bundle_put_merges(struct pnd_gguf_writer *w, const char *text,
                                   size_t size)
{
    const char *const end = text + size, *at = text;
    struct pnd_gguf_string line;
    size_t count = 0;
    (void)take_line(&at, end, &line); /* the version */
    const char *const first = at;
    while (count < MERGES_USED && take_line(&at, end, &line))
        count++;
    panda_status status =
        pnd_gguf_put_strings(w, PND_BUNDLE_MERGES_KEY, count);
    at = first;
    for (size_t i = 0; i < count && status >= 0; i++) {
        (void)take_line(&at, end, &line);
        status = pnd_gguf_put_item(w, line.bytes, line.length);
    }
    return status;
}

panda_status pnd_bundle_read_lora(struct pnd_bundle_lora *out,
                                  const struct pnd_gguf *gguf)
{
    int64_t rank = 0, merged = 0;
    double alpha = 0;
    panda_status status;
    *out = (struct pnd_bundle_lora){0};
    PND_TRY(pnd_gguf_read_integer(&rank, gguf, PND_BUNDLE_RANK_KEY, 0, 65536));
    PND_TRY(pnd_gguf_read_integer(&merged, gguf, PND_BUNDLE_MERGED_KEY, 0, 1));
    PND_TRY(pnd_gguf_read_number(&alpha, gguf, PND_BUNDLE_ALPHA_KEY));
    if (!(alpha >= 0 && alpha <= 1e6))
        PND_TRY(pnd_fail(PANDA_E_FORMAT,
                         "%s: " PND_BUNDLE_ALPHA_KEY " is %g, expected "
                         "0..1000000",
                         pnd_gguf_get_path(gguf), alpha));
    *out = (struct pnd_bundle_lora){(uint32_t)rank, (float)alpha, merged != 0};
out:
    return status;
}
