/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_KERNELS_LAYERS_H
#define PND_KERNELS_LAYERS_H

#include "kernels/kernels.h"

/* The layers that pnd_kernels_select puts on top of each other. Each overrides
 * the entries it improves and leaves the others. */

extern const struct pnd_gemm_kernels pnd_generic_gemm;
extern const struct pnd_format_kernels pnd_generic_format[PND_DTYPE_COUNT];
extern const struct pnd_q8_kernels pnd_generic_q8;
extern const struct pnd_i8_kernels pnd_generic_i8;
extern const struct pnd_norm_kernels pnd_generic_norm;
extern const struct pnd_vector_kernels pnd_generic_vector;

/** Layers of x86; adds the bits it used to k->cpu_used. */
void pnd_kernels_add_x86(struct pnd_kernels *k, uint64_t cpu);

/* Built with their own flags: call only where the bits are detected. */
void pnd_kernels_add_avx2(struct pnd_kernels *k);
void pnd_kernels_add_avx2_i8(struct pnd_kernels *k);
void pnd_kernels_add_avx2_q8(struct pnd_kernels *k);
void pnd_kernels_add_avx512(struct pnd_kernels *k);
void pnd_kernels_add_avx512_vnni(struct pnd_kernels *k);
void pnd_kernels_add_avx512_i8(struct pnd_kernels *k);
void pnd_kernels_add_vnni_i8(struct pnd_kernels *k);
void pnd_kernels_add_avx512_bf16(struct pnd_kernels *k);
/* On top of VNNI. */
void pnd_kernels_add_amx_i8(struct pnd_kernels *k);
void pnd_kernels_add_amx_q8(struct pnd_kernels *k);
/* On top of AVX-512 BF16. */
void pnd_kernels_add_amx_bf16(struct pnd_kernels *k);

/** Layers of aarch64; as pnd_kernels_add_x86. */
void pnd_kernels_add_arm(struct pnd_kernels *k, uint64_t cpu);
void pnd_kernels_add_neon(struct pnd_kernels *k);
void pnd_kernels_add_neon_codes(struct pnd_kernels *k);
void pnd_kernels_add_dotprod(struct pnd_kernels *k);
void pnd_kernels_add_i8mm(struct pnd_kernels *k);

/** OpenBLAS where its rules allow it (flags: PANDA_RUNTIME_*); adds its bit to
 *  k->providers_used. */
void pnd_kernels_add_openblas(struct pnd_kernels *k, uint32_t flags);

/** What oneDNN can compute on one thread, as k->large; adds its bit, too. It
 *  uses whatever instructions the machine has. */
void pnd_kernels_add_onednn(struct pnd_kernels *k);

#endif
