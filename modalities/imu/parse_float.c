/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "modalities/imu/parse_float.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* The number halfway between two floats has at most 112 significant decimal
 * digits, so what follows the first 120 matters only by not being 0. */
#define MAX_DIGITS 120
#define MAX_EXPONENT 100000 /* any beyond gives 0 or infinity all the same */

#define FLOAT_BITS 24     /* of a float's significand */
#define LOWEST_BIT (-149) /* of the smallest float */

struct decimal {
    uint32_t count;                 /* digits kept; 0 for zero */
    uint8_t digits[MAX_DIGITS + 1]; /* without leading zeros */
    int32_t exponent;               /* value = digits * 10^exponent */
};

/* Unsigned integers of up to 1024 bits: the largest product here is below
 * 10^40 * 2^60 or 10^171 * 2^60. */
#define WORDS 32

struct big {
    uint32_t count;        /* words in use; 0 for zero */
    uint32_t words[WORDS]; /* lowest first */
};

static void multiply_add(struct big *a, uint32_t factor, uint32_t term)
{
    uint64_t carry = term;
    for (uint32_t i = 0; i < a->count; i++) {
        carry += (uint64_t)a->words[i] * factor;
        a->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0 && a->count < WORDS)
        a->words[a->count++] = (uint32_t)carry;
}

static void multiply_power(struct big *a, uint32_t base, int32_t exponent)
{
    for (; exponent > 0; exponent--)
        multiply_add(a, base, 0);
}

static int32_t count_bits(const struct big *a)
{
    if (a->count == 0)
        return 0;
    int32_t bits = (int32_t)(a->count - 1) * 32;
    for (uint32_t top = a->words[a->count - 1]; top != 0; top >>= 1)
        bits++;
    return bits;
}

static bool is_below(const struct big *a, const struct big *b)
{
    if (a->count != b->count)
        return a->count < b->count;
    for (uint32_t i = a->count; i-- > 0;)
        if (a->words[i] != b->words[i])
            return a->words[i] < b->words[i];
    return false;
}

/* a -= b, which is not larger. */
static void subtract(struct big *a, const struct big *b)
{
    int64_t borrow = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        borrow += (int64_t)a->words[i] - (i < b->count ? b->words[i] : 0);
        a->words[i] = (uint32_t)borrow;
        borrow >>= 32;
    }
    while (a->count > 0 && a->words[a->count - 1] == 0)
        a->count--;
}

/* significand * 2^exponent, rounded once. The lowest bit of the significand is
 * below half a float's last bit, and says whether anything was cut off. */
static float round_to_float(uint32_t significand, int32_t exponent)
{
    int32_t bits = 0;
    while (bits < 32 && significand >> bits != 0)
        bits++;
    int32_t dropped = bits - FLOAT_BITS;
    if (dropped < LOWEST_BIT - exponent)
        dropped = LOWEST_BIT - exponent;
    if (dropped > 31)
        return 0;
    if (dropped > 0) {
        uint32_t half = UINT32_C(1) << (dropped - 1);
        uint32_t rest = significand & (2 * half - 1);
        significand >>= dropped;
        significand += rest > half || (rest == half && (significand & 1));
        exponent += dropped;
    }
    return ldexpf((float)significand, exponent);
}

/* Long division in base 2 of the exact fraction. */
static float convert_exactly(const struct decimal *d)
{
    struct big above = {0}, below = {.count = 1, .words = {1}};
    for (uint32_t i = 0; i < d->count; i++)
        multiply_add(&above, 10, d->digits[i]);
    multiply_power(&above, 10, d->exponent);
    multiply_power(&below, 10, -d->exponent);
    /* above / below * 2^shift has 25 or 26 bits; fewer for numbers that are
     * too small for a whole significand. */
    int32_t shift = count_bits(&below) - count_bits(&above) + 25;
    if (shift > 1 - LOWEST_BIT)
        shift = 1 - LOWEST_BIT;
    multiply_power(&above, 2, shift);
    multiply_power(&below, 2, 26 - (shift < 0 ? shift : 0));
    uint32_t quotient = 0;
    for (int i = 26; i >= 0; i--) {
        quotient <<= 1;
        if (!is_below(&above, &below)) {
            subtract(&above, &below);
            quotient |= 1;
        }
        multiply_add(&above, 2, 0);
    }
    return round_to_float(quotient << 1 | (above.count > 0), -shift - 1);
}

/* One operation on doubles that hold their numbers exactly rounds correctly to
 * double. Rounding once more to float is right unless the double lies halfway
 * between two floats (then it may have been rounded to there), or the float has
 * fewer bits than usual. */
static bool convert_quickly(const struct decimal *d, float *out)
{
    static const double powers[] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
        1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
        1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    };
    if (d->count > 15 || d->exponent < -22 || d->exponent > 22)
        return false;
    uint64_t whole = 0, bits;
    for (uint32_t i = 0; i < d->count; i++)
        whole = whole * 10 + d->digits[i];
    double value = (double)whole;
    if (d->exponent < 0)
        value /= powers[-d->exponent];
    else
        value *= powers[d->exponent];
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x1fffffff) == 0x10000000 || value < 0x1p-126)
        return false;
    *out = (float)value;
    return true;
}

static float convert(const struct decimal *d)
{
    float value = 0;
    if (d->count == 0)
        return 0;
    int32_t magnitude = (int32_t)d->count + d->exponent;
    if (magnitude > 40)
        return INFINITY;
    if (magnitude < -50)
        return 0;
    return convert_quickly(d, &value) ? value : convert_exactly(d);
}

static void add_digit(struct decimal *d, uint8_t digit, bool after_point)
{
    if (d->count == 0 && digit == 0) {
        d->exponent -= after_point;
    } else if (d->count < MAX_DIGITS) {
        d->digits[d->count++] = digit;
        d->exponent -= after_point;
    } else {
        /* One more digit stands for all that follow. */
        if (d->count == MAX_DIGITS && digit != 0) {
            d->digits[d->count++] = 1;
            d->exponent--;
        }
        d->exponent += !after_point;
    }
}

static const char *parse_digits(struct decimal *d, const char *at,
                                const char *end)
{
    bool point = false, any = false;
    for (; at < end; at++) {
        if (*at == '.' && !point) {
            point = true;
        } else if (*at >= '0' && *at <= '9') {
            any = true;
            if (d->exponent > -MAX_EXPONENT && d->exponent < MAX_EXPONENT)
                add_digit(d, (uint8_t)(*at - '0'), point);
        } else {
            break;
        }
    }
    return any ? at : NULL;
}

static const char *parse_exponent(struct decimal *d, const char *at,
                                  const char *end)
{
    if (at == end || (*at != 'e' && *at != 'E'))
        return at;
    at++;
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    if (at == end)
        return NULL;
    int32_t exponent = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        if (exponent < 2 * MAX_EXPONENT)
            exponent = exponent * 10 + (*at - '0');
    d->exponent += negative ? -exponent : exponent;
    return at;
}

static bool parse_word(const char *text, size_t length, float *out)
{
    static const char *const words[] = {"nan", "inf", "infinity"};
    for (int w = 0; w < 3; w++) {
        size_t i = 0;
        while (i < length && words[w][i] != '\0' &&
               (text[i] | 0x20) == words[w][i])
            i++;
        if (i == length && words[w][i] == '\0') {
            *out = w == 0 ? NAN : INFINITY;
            return true;
        }
    }
    return false;
}

bool pnd_parse_float(const char *text, size_t length, float *out)
{
    const char *end = text + length;
    bool negative = length > 0 && *text == '-';
    const char *start = text + (length > 0 && (*text == '-' || *text == '+'));
    struct decimal d = {.count = 0};
    const char *at = parse_digits(&d, start, end);
    if (at)
        at = parse_exponent(&d, at, end);
    if (at == end)
        *out = convert(&d);
    else if (!parse_word(start, (size_t)(end - start), out))
        return false;
    if (negative)
        *out = -*out;
    return true;
}
