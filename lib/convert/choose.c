/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "convert/choose.h"

/* What a matrix gets, unless its place asks for something better. */
static enum pnd_dtype get_usual(panda_format format)
{
    switch (format) {
    case PANDA_FORMAT_F16:
        return PND_F16;
    case PANDA_FORMAT_BF16:
        return PND_BF16;
    case PANDA_FORMAT_INT8:
        return PND_I8;
    case PANDA_FORMAT_Q8_0:
        return PND_Q8_0;
    case PANDA_FORMAT_Q4_0:
        return PND_Q4_0;
    case PANDA_FORMAT_Q4_1:
        return PND_Q4_1;
    case PANDA_FORMAT_Q5_0:
        return PND_Q5_0;
    case PANDA_FORMAT_Q5_1:
        return PND_Q5_1;
    case PANDA_FORMAT_Q4_K_M:
        return PND_Q4_K;
    case PANDA_FORMAT_Q5_K_M:
        return PND_Q5_K;
    case PANDA_FORMAT_Q6_K:
        return PND_Q6_K;
    default:
        return PND_F32;
    }
}

enum pnd_dtype pnd_choose_dtype(const struct pnd_plan_tensor *t,
                                const struct pnd_choose_model *model,
                                panda_format format)
{
    (void)model;
    if (t->role == PND_ROLE_OTHER || format == PANDA_FORMAT_KEEP)
        return t->dtype;
    const enum pnd_dtype dtype = get_usual(format);
    if (pnd_plan_get_columns(t) % pnd_dtype_get_block(dtype) != 0)
        return PND_F16;
    return dtype;
}
