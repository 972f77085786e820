/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/normal_form.h"

#include <string.h>

#include "base/error.h"
#include "text/char_class.h"
#include "text/normal_table.h"

#define CLASSES 256 /* canonical combining classes */
#define PARTS_MAX 4 /* characters that one is made of; the longest take 4 */

/* Hangul: syllables are numbered by their leading consonant, vowel and
 * trailing consonant (0: none). */
#define SYLLABLE 0xac00u
#define LEADING 0x1100u
#define VOWEL 0x1161u
#define TRAILING 0x11a7u
#define LEADINGS 19u
#define VOWELS 21u
#define TRAILINGS 28u
#define SYLLABLES (LEADINGS * VOWELS * TRAILINGS)

/* A starter and the marks behind it; or marks alone, where a text begins with
 * them. */
struct former {
    enum pnd_normal_form form;
    struct pnd_buffer run;     /* uint32_t: code point << 8 | class */
    struct pnd_buffer scratch; /* as `run` */
    struct pnd_buffer *out;
};

const char *pnd_normal_get_name(enum pnd_normal_form form)
{
    return form == PND_NORMAL_C ? "NFC" : form == PND_NORMAL_D ? "NFD" : NULL;
}

enum pnd_normal_form pnd_normal_find_name(const char *name, size_t length)
{
    if (length == 3 && memcmp(name, "NFC", 3) == 0)
        return PND_NORMAL_C;
    if (length == 3 && memcmp(name, "NFD", 3) == 0)
        return PND_NORMAL_D;
    return PND_NORMAL_NONE;
}

/* Neither changed by a form nor put together with what stands before it: below
 * the first mark, and the ideographs. */
static bool is_inert(uint32_t code)
{
    return code < 0xc0 || (code >= 0x3400 && code < 0xa000);
}

static uint32_t get_class(uint32_t code)
{
    uint32_t low = 0, high = pnd_normal_class_count;
    if (code < 0x300 || is_inert(code))
        return 0;
    while (high - low > 1) { /* the run begins in [low, high) */
        uint32_t middle = low + (high - low) / 2;
        if (pnd_normal_classes[middle] >> 8 <= code)
            low = middle;
        else
            high = middle;
    }
    return pnd_normal_classes[low] & 0xff;
}

static const uint32_t *find_two_parts(uint32_t code)
{
    uint32_t low = 0, high = pnd_normal_pair_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pnd_normal_pairs[middle][0] == code)
            return pnd_normal_pairs[middle] + 1;
        if (pnd_normal_pairs[middle][0] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const uint32_t *find_other(uint32_t code)
{
    uint32_t low = 0, high = pnd_normal_one_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (pnd_normal_ones[middle][0] == code)
            return pnd_normal_ones[middle] + 1;
        if (pnd_normal_ones[middle][0] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* What two characters become together; 0: nothing. */
static uint32_t find_whole(uint32_t first, uint32_t second)
{
    uint32_t low = 0, high = pnd_normal_composed_count;
    if (is_inert(second))
        return 0;
    if (first - LEADING < LEADINGS && second - VOWEL < VOWELS)
        return SYLLABLE + ((first - LEADING) * VOWELS + second - VOWEL) *
                              TRAILINGS;
    if (first - SYLLABLE < SYLLABLES && (first - SYLLABLE) % TRAILINGS == 0 &&
        second - TRAILING - 1 < TRAILINGS - 1)
        return first + second - TRAILING;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint32_t *pair = pnd_normal_pairs[pnd_normal_composed[middle]];
        if (pair[1] == first && pair[2] == second)
            return pair[0];
        if (pair[1] < first || (pair[1] == first && pair[2] < second))
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

static size_t decompose_syllable(uint32_t code, uint32_t parts[PARTS_MAX])
{
    uint32_t number = code - SYLLABLE;
    uint32_t trailing = number % TRAILINGS;
    parts[0] = LEADING + number / (VOWELS * TRAILINGS);
    parts[1] = VOWEL + number / TRAILINGS % VOWELS;
    parts[2] = TRAILING + trailing;
    return trailing ? 3 : 2;
}

/* All that a character is made of; returns how many there are. */
static size_t decompose(uint32_t code, uint32_t parts[PARTS_MAX])
{
    uint32_t behind[PARTS_MAX];
    size_t count = 0, waiting = 0;
    const uint32_t *next;
    if (code - SYLLABLE < SYLLABLES)
        return decompose_syllable(code, parts);
    if (!is_inert(code)) {
        while ((next = find_other(code)))
            code = *next;
        while (waiting < PARTS_MAX - 1 && (next = find_two_parts(code))) {
            code = next[0];
            behind[waiting++] = next[1];
        }
    }
    parts[count++] = code;
    while (waiting > 0)
        parts[count++] = behind[--waiting];
    return count;
}

/* Sort marks by class, stably. A counting sort, as the run may be as long as
 * the text. */
static panda_status sort_marks(struct former *f, uint32_t *run, size_t count)
{
    uint32_t starts[CLASSES + 1] = {0};
    bool ordered = true;
    for (size_t i = 1; i < count; i++)
        ordered = ordered && (run[i - 1] & 0xff) <= (run[i] & 0xff);
    if (ordered)
        return PANDA_OK;
    f->scratch.size = 0;
    panda_status status = pnd_buffer_reserve(&f->scratch, count * sizeof *run);
    if (status < 0)
        return status;
    for (size_t i = 0; i < count; i++)
        starts[(run[i] & 0xff) + 1]++;
    for (size_t i = 1; i <= CLASSES; i++)
        starts[i] += starts[i - 1];
    uint32_t *sorted = (uint32_t *)(void *)f->scratch.data;
    for (size_t i = 0; i < count; i++)
        sorted[starts[run[i] & 0xff]++] = run[i];
    memcpy(run, sorted, count * sizeof *run);
    return PANDA_OK;
}

/* Put together the starter with its marks, which are sorted, where no mark of
 * the same class stands between; returns what is left. */
static size_t compose(uint32_t *run, size_t count)
{
    size_t left = 1;
    for (size_t i = 1; i < count; i++) {
        bool reaches = left == 1 || (run[left - 1] & 0xff) < (run[i] & 0xff);
        uint32_t whole =
            reaches ? find_whole(run[0] >> 8, run[i] >> 8) : 0;
        if (whole)
            run[0] = whole << 8;
        else
            run[left++] = run[i];
    }
    return left;
}

/* Bring the run into its order and form; it may still be joined with a starter
 * behind it. */
static panda_status settle(struct former *f)
{
    uint32_t *run = (uint32_t *)(void *)f->run.data;
    size_t count = f->run.size / sizeof *run;
    if (count < 2)
        return PANDA_OK;
    bool starts = (run[0] & 0xff) == 0;
    panda_status status = sort_marks(f, run + starts, count - starts);
    if (status >= 0 && starts && f->form == PND_NORMAL_C)
        f->run.size = compose(run, count) * sizeof *run;
    return status;
}

static panda_status write_run(struct former *f)
{
    const uint32_t *run = (const uint32_t *)(const void *)f->run.data;
    size_t count = f->run.size / sizeof *run;
    panda_status status = pnd_buffer_reserve(f->out, 4 * count);
    for (size_t i = 0; i < count && status >= 0; i++)
        f->out->size += pnd_char_encode(run[i] >> 8,
                                        f->out->data + f->out->size);
    f->run.size = 0;
    return status;
}

/* The next character, which is made of no others. */
static panda_status add_part(struct former *f, uint32_t code)
{
    uint32_t entry = code << 8 | get_class(code);
    panda_status status;
    if ((entry & 0xff) == 0 && f->run.size > 0) {
        PND_TRY(settle(f));
        uint32_t *run = (uint32_t *)(void *)f->run.data;
        bool alone = f->run.size == sizeof *run && (run[0] & 0xff) == 0;
        uint32_t whole = alone && f->form == PND_NORMAL_C
                             ? find_whole(run[0] >> 8, code)
                             : 0;
        if (whole) {
            run[0] = whole << 8;
            return PANDA_OK;
        }
        PND_TRY(write_run(f));
    }
    PND_TRY(pnd_buffer_append(&f->run, &entry, sizeof entry));
out:
    return status;
}

bool pnd_normal_is_plain(enum pnd_normal_form form, const uint8_t *text,
                         size_t size)
{
    /* U+0300, the first mark, begins with CC; NFC changes nothing below. */
    uint8_t limit = form == PND_NORMAL_NONE ? 0xff
                    : form == PND_NORMAL_C  ? 0xcc
                                            : 0x80;
    for (size_t i = 0; i < size; i++) {
        if (text[i] >= limit)
            return false;
    }
    return true;
}

panda_status pnd_normal_append(enum pnd_normal_form form, const uint8_t *text,
                               size_t size, struct pnd_buffer *out)
{
    struct former f = {.form = form, .out = out};
    uint32_t parts[PARTS_MAX];
    size_t length;
    panda_status status = PANDA_OK;
    if (pnd_normal_is_plain(form, text, size))
        return pnd_buffer_append(out, text, size);
    pnd_buffer_init(&f.run, out->alloc);
    pnd_buffer_init(&f.scratch, out->alloc);
    for (size_t at = 0; at < size; at += length) {
        size_t count = decompose(pnd_char_decode(text + at, &length), parts);
        for (size_t i = 0; i < count; i++)
            PND_TRY(add_part(&f, parts[i]));
    }
    PND_TRY(settle(&f));
    PND_TRY(write_run(&f));
out:
    pnd_buffer_free(&f.run);
    pnd_buffer_free(&f.scratch);
    return status;
}
