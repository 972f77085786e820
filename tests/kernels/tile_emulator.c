/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* REG_RIP */
#include "kernels/tile_emulator.h"

#if defined(__x86_64__) && defined(__linux__)

#  include <math.h>
#  include <signal.h>
#  include <stdint.h>
#  include <stdio.h>
#  include <stdlib.h>
#  include <string.h>
#  include <ucontext.h>

#  define TILES 8
#  define MOST_ROWS 16
#  define MOST_BYTES 64

struct tile {
    unsigned rows, bytes; /* as configured; 0: not */
    unsigned char data[MOST_ROWS][MOST_BYTES];
};

static _Thread_local struct {
    bool is_configured;
    struct tile tiles[TILES];
} file;

/* An instruction: VEX.128.<prefix>.0F38.W0 <opcode> /r */
struct instruction {
    unsigned opcode, prefix; /* 0: none, 1: 66, 2: F3, 3: F2 */
    unsigned mod, reg, rm, vvvv;
    size_t size;             /* bytes */
    uintptr_t base, stride;  /* of a memory operand */
};

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "tile emulator: %s\n", what);
    abort();
}

static uintptr_t get_register(const ucontext_t *context, unsigned number)
{
    static const int places[] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
        REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
    };
    return (uintptr_t)context->uc_mcontext.gregs[places[number]];
}

/* ModRM, SIB and displacement at p. */
static void decode_operand(const ucontext_t *context, const unsigned char *p,
                           unsigned extend_index, unsigned extend_base,
                           struct instruction *in)
{
    const unsigned char *start = p;
    bool has_index = false;
    in->mod = *p >> 6;
    in->reg = *p >> 3 & 7;
    in->rm = *p++ & 7;
    if (in->mod != 3) {
        unsigned base = in->rm;
        demand(in->mod != 0 || base != 5, "an address relative to itself");
        if (base == 4) {
            unsigned scale = *p >> 6, index = (*p >> 3 & 7) | extend_index;
            base = *p++ & 7;
            demand(in->mod != 0 || base != 5, "an address without base");
            has_index = index != 4;
            if (has_index)
                in->stride = get_register(context, index) << scale;
        }
        in->base = get_register(context, base | extend_base);
        if (in->mod == 1)
            in->base += (uintptr_t)(intptr_t)(int8_t)*p++;
        if (in->mod == 2) {
            int32_t far;
            memcpy(&far, p, sizeof far);
            in->base += (uintptr_t)(intptr_t)far;
            p += sizeof far;
        }
        demand(in->opcode != 0x4b || in->rm == 4, "rows without a stride");
    }
    if (in->opcode == 0x49 && in->mod != 3 && has_index)
        in->base += in->stride;
    in->size += (size_t)(p - start);
}

static bool decode(const ucontext_t *context, struct instruction *in)
{
    const unsigned char *p =
        (const void *)context->uc_mcontext.gregs[REG_RIP];
    if (p[0] != 0xc4 || (p[1] & 31) != 2 || (p[2] & 0x84) != 0)
        return false; /* not VEX.128.0F38.W0 */
    *in = (struct instruction){.opcode = p[3], .prefix = p[2] & 3,
                               .vvvv = ~p[2] >> 3 & 15, .size = 4};
    if (in->opcode != 0x49 && in->opcode != 0x4b && in->opcode != 0x5c &&
        in->opcode != 0x5e)
        return false;
    demand((p[1] & 0x80) != 0, "a tile number above 7");
    decode_operand(context, p + 4, p[1] & 0x40 ? 0 : 8, p[1] & 0x20 ? 0 : 8,
                   in);
    return true;
}

static void load_config(const unsigned char *config)
{
    static const unsigned char zeros[64];
    demand(config[0] == 1, "palette is not 1");
    demand(config[1] == 0, "first row is not 0");
    demand(memcmp(config + 2, zeros, 14) == 0 &&
               memcmp(config + 32, zeros, 16) == 0 &&
               memcmp(config + 56, zeros, 8) == 0,
           "reserved bytes of the configuration are not 0");
    memset(&file, 0, sizeof file);
    for (unsigned t = 0; t < TILES; t++) {
        struct tile *tile = &file.tiles[t];
        tile->bytes = config[16 + 2 * t] | config[17 + 2 * t] << 8;
        tile->rows = config[48 + t];
        demand(tile->rows <= MOST_ROWS && tile->bytes <= MOST_BYTES,
               "a tile is too large");
        demand((tile->rows == 0) == (tile->bytes == 0),
               "a tile has rows without bytes or bytes without rows");
    }
    file.is_configured = true;
}

static struct tile *get_tile(unsigned number)
{
    demand(number < TILES, "a tile number above 7");
    demand(file.is_configured, "tiles are used without a configuration");
    demand(file.tiles[number].rows > 0, "a tile without rows is used");
    return &file.tiles[number];
}

static void move_rows(const struct instruction *in)
{
    struct tile *t = get_tile(in->reg);
    unsigned char *row = (unsigned char *)in->base;
    demand(in->prefix != 0, "an unknown instruction");
    for (unsigned r = 0; r < t->rows; r++, row += in->stride) {
        if (in->prefix == 2)
            memcpy(row, t->data[r], t->bytes);
        else
            memcpy(t->data[r], row, t->bytes);
    }
    for (unsigned r = 0; r < MOST_ROWS && in->prefix != 2; r++) {
        unsigned bytes = r < t->rows ? t->bytes : 0;
        memset(t->data[r] + bytes, 0, MOST_BYTES - bytes);
    }
}

/* The products of the codes in two words; *_signed: as signed numbers. */
static uint32_t dot_codes(const unsigned char *a, const unsigned char *b,
                          bool a_signed, bool b_signed)
{
    int32_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (a_signed ? (int8_t)a[i] : a[i]) *
               (b_signed ? (int8_t)b[i] : b[i]);
    return (uint32_t)sum;
}

/* Numbers below the normal ones are taken and given as zeros. */
static float flush(float x)
{
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

static float read_bf16(const unsigned char *p)
{
    uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return flush(value);
}

static void multiply_codes(unsigned prefix, struct tile *to,
                           const struct tile *a, const struct tile *b)
{
    const bool a_signed = prefix >= 2, b_signed = prefix == 1 || prefix == 3;
    for (unsigned r = 0; r < to->rows; r++) {
        for (unsigned w = 0; w < b->rows; w++) {
            for (unsigned j = 0; j < to->bytes; j += 4) {
                uint32_t sum;
                memcpy(&sum, to->data[r] + j, 4);
                sum += dot_codes(a->data[r] + 4 * w, b->data[w] + j, a_signed,
                                 b_signed);
                memcpy(to->data[r] + j, &sum, 4);
            }
        }
    }
}

/* Numbers at even and at odd places are summed on their own first. */
static void multiply_bf16(struct tile *to, const struct tile *a,
                          const struct tile *b)
{
    for (unsigned r = 0; r < to->rows; r++) {
        for (unsigned j = 0; j < to->bytes; j += 4) {
            float sums[2] = {0, 0}, old;
            for (unsigned w = 0; w < b->rows; w++) {
                for (unsigned i = 0; i < 2; i++)
                    sums[i] = flush(
                        fmaf(read_bf16(a->data[r] + 4 * w + 2 * i),
                             read_bf16(b->data[w] + j + 2 * i), sums[i]));
            }
            memcpy(&old, to->data[r] + j, 4);
            old = flush(flush(old) + flush(sums[0] + sums[1]));
            memcpy(to->data[r] + j, &old, 4);
        }
    }
}

static void multiply(const struct instruction *in)
{
    struct tile *to = get_tile(in->reg);
    const struct tile *a = get_tile(in->rm), *b = get_tile(in->vvvv);
    demand(in->mod == 3, "an unknown instruction");
    demand(to != a && to != b && a != b, "tiles of a product are not distinct");
    demand(to->rows == a->rows && to->bytes == b->bytes &&
               a->bytes == 4 * b->rows && to->bytes % 4 == 0,
           "the tiles of a product do not match");
    if (in->opcode == 0x5e) {
        multiply_codes(in->prefix, to, a, b);
    } else {
        demand(in->prefix == 2, "an unknown instruction");
        multiply_bf16(to, a, b);
    }
}

static void configure_or_zero(const struct instruction *in)
{
    if (in->prefix == 0 && in->mod != 3) {
        load_config((const unsigned char *)in->base);
    } else if (in->prefix == 0) {
        demand(in->reg == 0 && in->rm == 0, "an unknown instruction");
        memset(&file, 0, sizeof file);
    } else {
        demand(in->prefix == 3 && in->mod == 3 && in->rm == 0,
               "an unknown instruction");
        struct tile *t = get_tile(in->reg);
        memset(t->data, 0, sizeof t->data);
    }
}

static void answer(int number, siginfo_t *info, void *user)
{
    ucontext_t *context = user;
    struct instruction in;
    (void)info;
    if (!decode(context, &in)) { /* somebody else's: as without us */
        signal(number, SIG_DFL);
        return;
    }
    if (in.opcode == 0x49)
        configure_or_zero(&in);
    else if (in.opcode == 0x4b)
        move_rows(&in);
    else
        multiply(&in);
    context->uc_mcontext.gregs[REG_RIP] += (greg_t)in.size;
}

bool tile_emulator_start(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = answer;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGILL, &action, NULL) == 0;
}

void tile_emulator_check_released(void)
{
    demand(!file.is_configured, "tiles were not released");
}

#else

bool tile_emulator_start(void)
{
    return false;
}

void tile_emulator_check_released(void)
{
}

#endif
