/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/number.h"

#include <math.h>

/* Past these nothing changes: a double ends at 10^308 and 10^-324, and the
 * digits kept are at most 19. */
#define MAX_EXPONENT 400

struct digits {
    uint64_t mantissa; /* the first 19 significant digits */
    int kept;          /* how many */
    int64_t exponent;  /* value = mantissa * 10^exponent */
    bool exact;        /* no digit was dropped */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void add_digit(struct digits *d, char c, bool fraction)
{
    if (d->kept >= 19) {
        if (c != '0')
            d->exact = false;
        d->exponent += !fraction;
        return;
    }
    d->mantissa = d->mantissa * 10 + (uint64_t)(c - '0');
    d->kept += d->mantissa != 0;
    d->exponent -= fraction;
}

static double scale(uint64_t mantissa, int64_t exponent)
{
    static const double exact[] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    /* Both operands are exact, so that the one operation rounds correctly. */
    if (mantissa <= (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22)
        return exponent < 0 ? (double)mantissa / exact[-exponent]
                            : (double)mantissa * exact[exponent];
    if (mantissa == 0)
        return 0;
    if (exponent > MAX_EXPONENT)
        return INFINITY;
    if (exponent < -MAX_EXPONENT)
        return 0;
    long double value = (long double)mantissa, power = 10;
    uint64_t n = (uint64_t)(exponent < 0 ? -exponent : exponent);
    for (; n; n >>= 1, power *= power) {
        if (n & 1)
            value = exponent < 0 ? value / power : value * power;
    }
    return (double)value;
}

/* Reads "e+12" at s[i]; returns the position behind it, or 0 when malformed. */
static size_t read_exponent(const char *s, size_t length, size_t i,
                            int64_t *exponent)
{
    bool negative = false;
    i++;
    if (i < length && (s[i] == '+' || s[i] == '-'))
        negative = s[i++] == '-';
    if (i >= length || !is_digit(s[i]))
        return 0;
    int64_t value = 0;
    for (; i < length && is_digit(s[i]); i++) {
        if (value < INT32_MAX)
            value = value * 10 + (s[i] - '0');
    }
    *exponent += negative ? -value : value;
    return i;
}

struct pnd_number pnd_number_parse(const char *s, size_t length)
{
    struct pnd_number none = {0}, number = {0};
    struct digits d = {.exact = true};
    size_t i = 0;
    bool negative = length > 0 && s[0] == '-', whole = true;
    i += negative;
    if (i >= length || !is_digit(s[i]))
        return none;
    if (s[i] == '0' && i + 1 < length && is_digit(s[i + 1]))
        return none; /* no leading zeros */
    for (; i < length && is_digit(s[i]); i++)
        add_digit(&d, s[i], false);
    if (i < length && s[i] == '.') {
        whole = false;
        i++;
        if (i >= length || !is_digit(s[i]))
            return none;
        for (; i < length && is_digit(s[i]); i++)
            add_digit(&d, s[i], true);
    }
    if (i < length && (s[i] == 'e' || s[i] == 'E')) {
        whole = false;
        i = read_exponent(s, length, i, &d.exponent);
        if (i == 0)
            return none;
    }
    number.length = i;
    number.value = scale(d.mantissa, d.exponent);
    if (negative)
        number.value = -number.value;
    number.is_integer =
        whole && d.exact && d.exponent == 0 && d.mantissa <= INT64_MAX;
    if (number.is_integer)
        number.integer = negative ? -(int64_t)d.mantissa : (int64_t)d.mantissa;
    return number;
}
