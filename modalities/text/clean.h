/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_CLEAN_H
#define PND_TEXT_CLEAN_H

#include "modalities/text/fix.h"

/* From bytes to clean text, a line or a few at a time, so that of a long text
 * only as much is cleaned as its tokens need:
 *
 *     repair -> HTML unescape, twice -> lower case
 *
 * White space is left as it is: words end at it, whatever its kind and
 * length. */

struct pnd_cleaner {
    const panda_frontend_host *host;
    const uint8_t *text; /* size bytes of UTF-8, borrowed */
    size_t size, at;
    bool repair;
    struct pnd_fixer fixer;
    struct pnd_ustring segment, other; /* scratch */
};

/** Check that the text is UTF-8 and begin with it.
 *  @param repair whether to repair it, as the reference does
 *  @return PANDA_OK; PANDA_E_FORMAT with the offset of the wrong byte. Either
 *          way, release with pnd_cleaner_free */
panda_status pnd_cleaner_init(struct pnd_cleaner *c,
                              const panda_frontend_host *host,
                              const uint8_t *text, size_t size, bool repair);
void pnd_cleaner_free(struct pnd_cleaner *c);

/** Replace `out` by the next piece; no word goes on in another piece.
 *  @return PANDA_OK, PANDA_END, or a failure */
panda_status pnd_cleaner_next(struct pnd_cleaner *c, struct pnd_ustring *out);

#endif
