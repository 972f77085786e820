/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/choose.h"

/* The rules of llama.cpp's mixes of the same names, so that equal names mean
 * equal sizes and about equal quality everywhere: the output matrix, the values
 * of attention and the last matrix of the MLP suffer most from few bits. */

enum where {
    NOWHERE,
    EVERYWHERE,
    FIRST_TWO, /* layers */
    FIRST_FOUR,
    FIRST_SIXTEENTH,
    FIRST_EIGHTH,
    FIRST_EIGHTH_MEASURED,   /* with importance data */
    FIRST_EIGHTH_UNMEASURED, /* without */
    ENDS_AND_THIRDS, /* first and last eighth, every third between them */
    SHARED_HEADS     /* at least four queries to a key */
};

/* The first that applies counts. */
struct rule {
    enum where where;
    enum pnd_dtype dtype;
};

struct mix {
    enum pnd_dtype usual;
    enum pnd_dtype output;
    struct rule v[2], down[2], o[1];
};

static const struct mix mixes[] = {
    [PANDA_FORMAT_F32] = {PND_F32, PND_F32},
    [PANDA_FORMAT_F16] = {PND_F16, PND_F16},
    [PANDA_FORMAT_BF16] = {PND_BF16, PND_BF16},
    [PANDA_FORMAT_INT8] = {PND_I8, PND_I8},
    [PANDA_FORMAT_Q8_0] = {PND_Q8_0, PND_Q8_0},
    [PANDA_FORMAT_Q4_0] = {PND_Q4_0, PND_Q6_K,
                           .down = {{FIRST_EIGHTH_MEASURED, PND_Q4_1}}},
    [PANDA_FORMAT_Q4_1] = {PND_Q4_1, PND_Q6_K},
    [PANDA_FORMAT_Q5_0] = {PND_Q5_0, PND_Q6_K,
                           .down = {{FIRST_EIGHTH_MEASURED, PND_Q5_1}}},
    [PANDA_FORMAT_Q5_1] = {PND_Q5_1, PND_Q6_K},
    [PANDA_FORMAT_Q4_K_M] = {PND_Q4_K, PND_Q6_K,
                             .v = {{ENDS_AND_THIRDS, PND_Q6_K}},
                             .down = {{ENDS_AND_THIRDS, PND_Q6_K}}},
    [PANDA_FORMAT_Q5_K_M] = {PND_Q5_K, PND_Q6_K,
                             .v = {{ENDS_AND_THIRDS, PND_Q6_K}},
                             .down = {{ENDS_AND_THIRDS, PND_Q6_K}}},
    [PANDA_FORMAT_Q6_K] = {PND_Q6_K, PND_Q6_K},
    [PANDA_FORMAT_Q2_K] = {PND_Q2_K, PND_Q6_K,
                           .v = {{SHARED_HEADS, PND_Q4_K},
                                 {EVERYWHERE, PND_Q3_K}},
                           .down = {{EVERYWHERE, PND_Q3_K}},
                           .o = {{EVERYWHERE, PND_Q3_K}}},
    [PANDA_FORMAT_Q3_K_M] = {PND_Q3_K, PND_Q6_K,
                             .v = {{FIRST_TWO, PND_Q5_K},
                                   {EVERYWHERE, PND_Q4_K}},
                             .down = {{FIRST_SIXTEENTH, PND_Q5_K},
                                      {EVERYWHERE, PND_Q4_K}},
                             .o = {{EVERYWHERE, PND_Q4_K}}},
    [PANDA_FORMAT_Q4_K_S] = {PND_Q4_K, PND_Q6_K,
                             .v = {{FIRST_FOUR, PND_Q5_K}},
                             .down = {{FIRST_EIGHTH, PND_Q5_K}}},
    [PANDA_FORMAT_Q5_K_S] = {PND_Q5_K, PND_Q6_K},
    [PANDA_FORMAT_IQ4_NL] = {PND_IQ4_NL, PND_Q6_K,
                             .v = {{SHARED_HEADS, PND_Q5_K}},
                             .down = {{FIRST_EIGHTH_UNMEASURED, PND_Q5_K}}},
    [PANDA_FORMAT_IQ4_XS] = {PND_IQ4_XS, PND_Q6_K,
                             .v = {{SHARED_HEADS, PND_Q5_K}},
                             .down = {{FIRST_EIGHTH_UNMEASURED, PND_Q5_K}}},
};

static bool applies(enum where where, const struct pnd_choose_model *m,
                    uint32_t layer)
{
    const uint32_t eighth = m->layers / 8;
    switch (where) {
    case EVERYWHERE:
        return true;
    case FIRST_TWO:
        return layer < 2;
    case FIRST_FOUR:
        return layer < 4;
    case FIRST_SIXTEENTH:
        return layer < m->layers / 16;
    case FIRST_EIGHTH:
        return layer < eighth;
    case FIRST_EIGHTH_MEASURED:
        return layer < eighth && m->measured;
    case FIRST_EIGHTH_UNMEASURED:
        return layer < eighth && !m->measured;
    case ENDS_AND_THIRDS:
        return layer < eighth || layer >= 7 * m->layers / 8 ||
               (layer - eighth) % 3 == 2;
    case SHARED_HEADS:
        return m->kv_heads > 0 && m->heads / m->kv_heads >= 4;
    default:
        return false;
    }
}

static enum pnd_dtype apply_rules(const struct rule *rules, size_t count,
                                  const struct pnd_choose_model *model,
                                  uint32_t layer, enum pnd_dtype usual)
{
    for (size_t i = 0; i < count; i++) {
        if (applies(rules[i].where, model, layer))
            return rules[i].dtype;
    }
    return usual;
}

/* What a width that is not whole blocks of 256 gets, and then one that is not
 * whole blocks of 32. */
static enum pnd_dtype fit_width(enum pnd_dtype dtype, size_t columns)
{
    if (columns % pnd_dtype_get_block(dtype) == 0)
        return dtype;
    switch (dtype) {
    case PND_Q4_K:
        dtype = PND_Q5_0;
        break;
    case PND_Q5_K:
        dtype = PND_Q5_1;
        break;
    case PND_Q6_K:
        dtype = PND_Q8_0;
        break;
    case PND_IQ4_XS:
        dtype = PND_IQ4_NL;
        break;
    default:
        dtype = PND_Q4_0;
    }
    return columns % pnd_dtype_get_block(dtype) == 0 ? dtype : PND_F16;
}

enum pnd_dtype pnd_choose_dtype(const struct pnd_plan_tensor *t,
                                const struct pnd_choose_model *model,
                                panda_format format)
{
    if (t->role == PND_ROLE_OTHER || format == PANDA_FORMAT_KEEP)
        return t->dtype;
    const struct mix *mix = &mixes[format];
    enum pnd_dtype dtype = mix->usual;
    switch (t->role) {
    case PND_ROLE_OUTPUT:
        dtype = mix->output;
        break;
    case PND_ROLE_EMBEDDING:
        dtype = model->tied ? mix->output : mix->usual;
        break;
    case PND_ROLE_V:
        dtype = apply_rules(mix->v, 2, model, t->layer, dtype);
        break;
    case PND_ROLE_DOWN:
        dtype = apply_rules(mix->down, 2, model, t->layer, dtype);
        break;
    case PND_ROLE_O:
        dtype = apply_rules(mix->o, 1, model, t->layer, dtype);
        break;
    default:
        break;
    }
    return fit_width(dtype, pnd_plan_get_columns(t));
}
