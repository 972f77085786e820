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

/* Numbers of 64 significant bits, since long double is no wider than double on
 * some machines: value = mantissa * 2^exponent, the highest bit set. */
struct wide {
    uint64_t mantissa;
    int32_t exponent;
};

static struct wide multiply(struct wide a, struct wide b)
{
    const uint64_t mask = UINT32_MAX;
    uint64_t a1 = a.mantissa >> 32, a0 = a.mantissa & mask;
    uint64_t b1 = b.mantissa >> 32, b0 = b.mantissa & mask;
    uint64_t low = a0 * b0, cross = a1 * b0 + (low >> 32);
    uint64_t other = a0 * b1 + (cross & mask);
    uint64_t high = a1 * b1 + (cross >> 32) + (other >> 32);
    struct wide product = {high, a.exponent + b.exponent + 64};
    uint64_t rest = other << 32 | (low & mask);
    if (!(high >> 63)) {
        product.mantissa = high << 1 | rest >> 63;
        product.exponent--;
        rest <<= 1;
    }
    if (rest >> 63 && product.mantissa != UINT64_MAX)
        product.mantissa++;
    return product;
}

/* mantissa * 10^exponent; each of up to ten roundings is 2^-64 of it. */
static double scale_wide(uint64_t mantissa, int64_t exponent)
{
    /* 10^(2^i) and 10^-(2^i) */
    static const struct wide powers[2][9] = {
        {
            {0xa000000000000000, -60}, {0xc800000000000000, -57},
            {0x9c40000000000000, -50}, {0xbebc200000000000, -37},
            {0x8e1bc9bf04000000, -10}, {0x9dc5ada82b70b59e, 43},
            {0xc2781f49ffcfa6d5, 149}, {0x93ba47c980e98ce0, 362},
            {0xaa7eebfb9df9de8e, 787},
        },
        {
            {0xcccccccccccccccd, -67}, {0xa3d70a3d70a3d70a, -70},
            {0xd1b71758e219652c, -77}, {0xabcc77118461cefd, -90},
            {0xe69594bec44de15b, -117}, {0xcfb11ead453994ba, -170},
            {0xa87fea27a539e9a5, -276}, {0xddd0467c64bce4a1, -489},
            {0xc0314325637a193a, -914},
        },
    };
    struct wide value = {mantissa, 0};
    uint64_t n = (uint64_t)(exponent < 0 ? -exponent : exponent);
    for (; !(value.mantissa >> 63); value.exponent--)
        value.mantissa <<= 1;
    for (int i = 0; n; n >>= 1, i++) {
        if (n & 1)
            value = multiply(value, powers[exponent < 0][i]);
    }
    return ldexp((double)value.mantissa, value.exponent);
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
    if (mantissa == 0 || exponent < -MAX_EXPONENT)
        return 0;
    return exponent > MAX_EXPONENT ? INFINITY : scale_wide(mantissa, exponent);
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
