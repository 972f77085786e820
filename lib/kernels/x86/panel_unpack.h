/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_PANEL_UNPACK_H
#define PND_KERNELS_PANEL_UNPACK_H

#include "kernels/x86/panels.h"
#include "kernels/x86/q8_squares.h"

/* Panels (x86/panels.h) from rows of block formats. */

/* How codes are brought into a panel: constants. */
struct panel_form {
    uint8_t more;  /* added to each */
    uint8_t bias;  /* to be taken from what they are then; 0: from offsets */
    bool is_wide;  /* groups have 32 elements, not 16 */
    bool is_split; /* their low and high four bits are the halves */
};

/* Unit `index` of row r; in `buffer` when it is the row's last and not
 * whole. */
ALWAYS_INLINE const uint8_t *get_unit(struct q8_format f,
                                      const struct panel_rows *rows, size_t r,
                                      size_t index, uint8_t *buffer)
{
    const size_t unit_bytes = 256 / f.block * f.bytes;
    const size_t at = index * unit_bytes;
    const uint8_t *unit =
        rows->w + (r < rows->count ? r : rows->count - 1) * rows->row_bytes +
        at;
    if (rows->bytes - at >= unit_bytes)
        return unit;
    memset(buffer, 0, unit_bytes);
    memcpy(buffer, unit, rows->bytes - at);
    return buffer;
}

#define UNIT_BUFFER (256 / 32 * sizeof(struct pnd_block_q8_0))

/* Scales and offsets of half `half` of the rows. */
ALWAYS_INLINE void panel_scales(struct q8_format f, bool is_wide,
                                const struct panel_rows *rows, size_t index,
                                size_t half, struct panel_unit *to)
{
    uint8_t buffer[UNIT_BUFFER];
    vf scales[VF_COUNT][VF_LANES], offsets[VF_COUNT][VF_LANES];
    for (size_t r = 0; r < VF_LANES; r++) {
        vf s[VF_COUNT], o[VF_COUNT];
        f.scales(get_unit(f, rows, VF_LANES * half + r, index, buffer), s, o);
        UNROLL
        for (size_t i = 0; i < VF_COUNT; i++) {
            scales[i][r] = s[i];
            if (f.has_offset)
                offsets[i][r] = o[i];
        }
    }
    for (size_t i = 0; i < VF_COUNT; i++) {
        const size_t step = is_wide ? 2 : 1, first = VF_LANES * i / step;
        vf_transpose(scales[i]);
        for (size_t g = 0; g < VF_LANES; g += step)
            to->scales[first + g / step][half] = scales[i][g];
        if (!f.has_offset)
            continue;
        vf_transpose(offsets[i]);
        for (size_t g = 0; g < VF_LANES; g += step)
            to->offsets[first + g / step][half] =
                offsets[i][g] * vf_set(-1.0f / 128);
    }
}

/* The same of whole units of eight blocks, with the scale first and the offset
 * behind it, from VF_LANES rows. */
ALWAYS_INLINE void panel_simple_scales(struct q8_format f, bool is_wide,
                                       const uint8_t *unit, size_t row_bytes,
                                       size_t half, struct panel_unit *to)
{
    for (size_t b = 0; b < 8; b++, unit += f.bytes) {
        const size_t g = is_wide ? b : 2 * b;
        const vf scales = vf_gather_f16(unit, row_bytes);
        to->scales[g][half] = scales;
        if (!is_wide)
            to->scales[g + 1][half] = scales;
        if (!f.has_offset)
            continue;
        const vf offsets =
            vf_gather_f16(unit + 2, row_bytes) * vf_set(-1.0f / 128);
        to->offsets[g][half] = offsets;
        if (!is_wide)
            to->offsets[g + 1][half] = offsets;
    }
}

/* Codes of half `half` of the rows. */
ALWAYS_INLINE void panel_codes(struct q8_format f, uint8_t more,
                               const struct panel_rows *rows, size_t index,
                               size_t half, struct panel_unit *to)
{
    uint8_t buffer[UNIT_BUFFER];
    for (int part = 0; part < PARTS; part++) {
        vf square[VF_LANES];
        UNROLL
        for (size_t r = 0; r < VF_LANES; r++)
            square[r] = (vf)f.codes(
                get_unit(f, rows, VF_LANES * half + r, index, buffer), part);
        vf_transpose(square);
        UNROLL
        for (int i = 0; i < VF_LANES; i++)
            to->codes[VF_LANES * part + i][half] =
                (vq)square[i] + vq_set(more);
    }
}

ALWAYS_INLINE void panel_split(struct panel_unit *to)
{
    for (size_t i = 0; i < 64; i++) {
        const vq codes = to->codes[i][0];
        to->codes[i][0] = take_bits(codes, 0, 4);
        to->codes[i][1] = take_bits(codes, 4, 4);
    }
}

/* Half `half` of the rows; some may be missing, or their last unit cut off. */
ALWAYS_INLINE void panel_unpack_half(struct q8_format f, struct panel_form form,
                                     panel_squares_fn squares,
                                     const struct panel_rows *rows,
                                     size_t index, size_t half,
                                     struct panel_unit *to)
{
    const size_t unit_bytes = 256 / f.block * f.bytes;
    const bool is_whole = rows->count >= VF_LANES * (half + 1) &&
                          rows->bytes >= (index + 1) * unit_bytes;
    const uint8_t *unit = rows->w + VF_LANES * half * rows->row_bytes +
                          index * unit_bytes;
    if (f.block == 32 && is_whole)
        panel_simple_scales(f, form.is_wide, unit, rows->row_bytes, half, to);
    else
        panel_scales(f, form.is_wide, rows, index, half, to);
    if (squares && is_whole)
        squares(unit, rows->row_bytes, form.more, &to->codes[0][half]);
    else
        panel_codes(f, form.more, rows, index, half, to);
}

ALWAYS_INLINE void panel_unpack(struct q8_format f, struct panel_form form,
                                panel_squares_fn squares,
                                const struct panel_rows *rows, size_t units,
                                struct panel *to)
{
    to->is_wide = form.is_wide;
    to->is_biased = form.bias != 0;
    to->shift = form.bias ? (uint8_t)__builtin_ctz(128u / form.bias) : 0;
    struct ahead next = rows->next;
    for (size_t u = 0; u < units; u++) {
        for (size_t half = 0; half < (form.is_split ? 1 : 2); half++) {
            ahead_ask(&next);
            panel_unpack_half(f, form, squares, rows, u, half, &to->units[u]);
        }
        if (form.is_split)
            panel_split(&to->units[u]);
    }
}

/* Not inline: the same for tiles of any height. choose_form is the file's. */
#define PANEL_UNPACK(type)                                                  \
    static void unpack_##type(const struct panel_rows *rows, size_t units,  \
                              struct panel *to)                             \
    {                                                                       \
        panel_unpack(format_##type, choose_form(format_##type),             \
                     squares_##type, rows, units, to);                      \
    }

#endif
