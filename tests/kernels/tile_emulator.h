/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PANDA_TESTS_TILE_EMULATOR_H
#define PANDA_TESTS_TILE_EMULATOR_H

#include <stdbool.h>

/* AMX where the processor has none: its instructions are refused there, and
 * their signal is answered by doing what they do. So the kernels that are
 * tested are those that are shipped, with the compiler's and the assembler's
 * part in them; what the manual says of faults ends the test instead. */

/** Answer for the tile instructions of this process; false where that does not
 *  work (not Linux on x86-64). */
bool tile_emulator_start(void);

/** Demand that this thread has given its tiles back. */
void tile_emulator_check_released(void);

#endif
