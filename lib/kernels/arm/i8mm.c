/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/arm/dots_i8mm.h"
#include "kernels/layers.h"

#include "kernels/arm/i8_panel.h"
#include "kernels/arm/q8_panel.h"

void pnd_kernels_add_i8mm(struct pnd_kernels *k)
{
    k->i8.product = i8_product;
    q8_set_products(k);
}
