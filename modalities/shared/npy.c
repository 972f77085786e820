/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/shared/npy.h"

#include <string.h>

#define MAGIC "\x93NUMPY"
#define MAGIC_SIZE 6
#define MAX_RANK 4

static const struct {
    char code[4];
    uint8_t size;
} types[] = {
    [PND_NPY_U8] = {"u1", 1},  [PND_NPY_I8] = {"i1", 1},
    [PND_NPY_U16] = {"u2", 2}, [PND_NPY_I16] = {"i2", 2},
    [PND_NPY_U32] = {"u4", 4}, [PND_NPY_I32] = {"i4", 4},
    [PND_NPY_F32] = {"f4", 4}, [PND_NPY_F64] = {"f8", 8},
};

/* The dictionary's text, from `at` on. */
struct cursor {
    const panda_frontend_host *host;
    const char *at, *end;
};

bool pnd_npy_detect(const uint8_t *data, size_t size)
{
    return size >= MAGIC_SIZE && memcmp(data, MAGIC, MAGIC_SIZE) == 0;
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' ||
                              *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool comes_next(struct cursor *c, char wanted)
{
    skip_space(c);
    return c->at < c->end && *c->at == wanted;
}

/* Pass over one character if it comes next. */
static bool take(struct cursor *c, char wanted)
{
    if (!comes_next(c, wanted))
        return false;
    c->at++;
    return true;
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t length = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* A string in either quotes, without escapes; cut to the size of `out`, which
 * makes an overlong one unknown. */
static bool take_string(struct cursor *c, char out[16])
{
    char quote = take(c, '\'') ? '\'' : '"';
    if (quote == '"' && !take(c, '"'))
        return false;
    size_t length = 0;
    for (; c->at < c->end && *c->at != quote; c->at++)
        if (length < 15)
            out[length++] = *c->at;
    out[length] = '\0';
    return take(c, quote);
}

static panda_status fail_header(const struct cursor *c, const char *expected)
{
    char found[16];
    size_t length = 0;
    for (const char *p = c->at; p < c->end && length < 12; p++)
        found[length++] = (char)(*p >= 32 && *p < 127 ? *p : '?');
    found[length] = '\0';
    return pnd_host_fail(c->host, PANDA_E_FORMAT,
                         "the NumPy header has \"%s\", expected %s", found,
                         expected);
}

static panda_status parse_descr(struct pnd_npy *out, struct cursor *c)
{
    char descr[16];
    if (!take_string(c, descr))
        return fail_header(c, "the type as a string");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        bool order = descr[0] == '<' || (descr[0] == '|' && types[i].size == 1);
        if (order && strcmp(descr + 1, types[i].code) == 0) {
            out->type = (enum pnd_npy_type)i;
            return PANDA_OK;
        }
    }
    return pnd_host_fail(c->host, PANDA_E_FORMAT,
                         "the NumPy array has type \"%.15s\", expected "
                         "little-endian integers of 1, 2 or 4 bytes, or "
                         "floats of 4 or 8",
                         descr);
}

static panda_status parse_order(struct cursor *c)
{
    if (take_word(c, "False"))
        return PANDA_OK;
    if (take_word(c, "True"))
        return pnd_host_fail(c->host, PANDA_E_FORMAT,
                             "the NumPy array is in Fortran order, expected "
                             "C order (numpy.ascontiguousarray)");
    return fail_header(c, "True or False");
}

static panda_status parse_dimension(uint64_t *out, struct cursor *c)
{
    skip_space(c);
    if (c->at == c->end || *c->at < '0' || *c->at > '9')
        return fail_header(c, "a dimension");
    uint64_t n = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (n > (INT64_MAX - 9) / 10)
            return pnd_host_fail(c->host, PANDA_E_FORMAT,
                                 "a dimension of the NumPy array has more "
                                 "than 18 digits");
        n = n * 10 + (uint64_t)(*c->at - '0');
    }
    *out = n;
    return PANDA_OK;
}

static panda_status parse_shape(struct pnd_npy *out, struct cursor *c)
{
    if (!take(c, '('))
        return fail_header(c, "the shape in parentheses");
    out->rank = 0;
    while (!take(c, ')')) {
        if (out->rank == MAX_RANK)
            return pnd_host_fail(c->host, PANDA_E_FORMAT,
                                 "the NumPy array has more than %d dimensions",
                                 MAX_RANK);
        panda_status status = parse_dimension(&out->shape[out->rank++], c);
        if (status < 0)
            return status;
        if (!take(c, ',') && !comes_next(c, ')'))
            return fail_header(c, "a comma");
    }
    return PANDA_OK;
}

static panda_status parse_dictionary(struct pnd_npy *out, struct cursor *c)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    unsigned seen = 0; /* a bit for each key */
    if (!take(c, '{'))
        return fail_header(c, "a dictionary");
    while (!take(c, '}')) {
        char key[16];
        if (!take_string(c, key) || !take(c, ':'))
            return fail_header(c, "a key and a colon");
        unsigned k = 0;
        while (k < 3 && strcmp(key, keys[k]) != 0)
            k++;
        if (k == 3 || (seen & 1u << k))
            return fail_header(c, "descr, fortran_order and shape, once each");
        seen |= 1u << k;
        panda_status status = k == 0   ? parse_descr(out, c)
                              : k == 1 ? parse_order(c)
                                       : parse_shape(out, c);
        if (status < 0)
            return status;
        if (!take(c, ',') && !comes_next(c, '}'))
            return fail_header(c, "a comma");
    }
    if (seen != 7)
        return fail_header(c, "descr, fortran_order and shape");
    return PANDA_OK;
}

/* Product of the shape against the bytes that are there. */
static panda_status check_count(struct pnd_npy *out,
                                const panda_frontend_host *host, uint64_t bytes)
{
    uint64_t most = bytes / types[out->type].size;
    bool empty = false, fits = true;
    for (uint32_t i = 0; i < out->rank; i++)
        empty = empty || out->shape[i] == 0;
    if (empty)
        return pnd_host_fail(host, PANDA_E_FORMAT, "the NumPy array is empty");
    out->count = 1;
    for (uint32_t i = 0; i < out->rank && fits; i++) {
        fits = out->shape[i] <= most / out->count;
        if (fits)
            out->count *= out->shape[i];
    }
    if (!fits || out->count > most)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "the NumPy file has %llu bytes of values, fewer "
                             "than its shape needs",
                             (unsigned long long)bytes);
    return PANDA_OK;
}

panda_status pnd_npy_parse(struct pnd_npy *out,
                           const panda_frontend_host *host,
                           const uint8_t *data, size_t size)
{
    *out = (struct pnd_npy){.shape = {1, 1, 1, 1}};
    if (!pnd_npy_detect(data, size))
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "does not begin as a NumPy array does");
    size_t start = size > 6 && data[6] == 1 ? 10 : 12;
    if (size < start)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "the NumPy file ends in its header");
    if (data[6] < 1 || data[6] > 3 || data[7] != 0)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "the NumPy file has version %d.%d, expected 1.0, "
                             "2.0 or 3.0",
                             data[6], data[7]);
    uint64_t length = data[8] | (uint64_t)data[9] << 8;
    if (start == 12)
        length |= (uint64_t)data[10] << 16 | (uint64_t)data[11] << 24;
    if (length > size - start)
        return pnd_host_fail(host, PANDA_E_FORMAT,
                             "the NumPy file ends in its header");
    const char *text = (const char *)data + start;
    struct cursor c = {host, text, text + length};
    panda_status status = parse_dictionary(out, &c);
    if (status < 0)
        return status;
    out->values = data + start + length;
    return check_count(out, host, size - start - length);
}

double pnd_npy_get(const struct pnd_npy *npy, uint64_t index)
{
    uint8_t size = types[npy->type].size;
    const uint8_t *p = npy->values + index * size;
    uint64_t bits = 0;
    for (uint8_t i = 0; i < size; i++)
        bits |= (uint64_t)p[i] << (8 * i);
    uint32_t low = (uint32_t)bits;
    float single;
    double number;
    switch (npy->type) {
    case PND_NPY_I8:
        return (double)(int8_t)low;
    case PND_NPY_I16:
        return (double)(int16_t)low;
    case PND_NPY_I32:
        return (double)(int32_t)low;
    case PND_NPY_F32:
        memcpy(&single, &low, sizeof single);
        return (double)single;
    case PND_NPY_F64:
        memcpy(&number, &bits, sizeof number);
        return number;
    default:
        return (double)low;
    }
}

void pnd_npy_read_f32(const struct pnd_npy *npy, uint64_t first, size_t count,
                      float *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)pnd_npy_get(npy, first + i);
}
