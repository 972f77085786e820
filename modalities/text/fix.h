/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_FIX_H
#define PND_TEXT_FIX_H

#include <stdbool.h>

#include "modalities/text/fix_table.h"
#include "modalities/text/ustring.h"

/* Repair of wrongly decoded text, as ftfy.fix_text does it by default. Texts
 * are repaired line by line:
 *
 *     references of HTML -> encoding (mojibake) -> single characters
 *     (ligatures, width, quotes, line breaks, control characters) -> NFC
 *
 * again and again until nothing changes. The heuristics are those of ftfy 6 by
 * Robyn Speer (Apache-2.0); so is the data of fix_table.c. */

/** Longest piece that is repaired at once, in characters. */
#define PND_FIX_SEGMENT ((size_t)1000000)

struct pnd_fixer {
    const panda_frontend_host *host;
    bool keep_references; /* a "<" was seen: the text is HTML, on purpose */
    uint64_t work;        /* characters looked at for this segment... */
    uint64_t most_work;   /* ...and where the repair gives up */
    struct pnd_ustring before, other; /* scratch */
};

void pnd_fixer_init(struct pnd_fixer *f, const panda_frontend_host *host);
void pnd_fixer_free(struct pnd_fixer *f);

/** Repair a segment in place: a line with its end, cut at PND_FIX_SEGMENT
 *  characters. Segments of a text come in order. */
panda_status pnd_fixer_fix(struct pnd_fixer *f, struct pnd_ustring *segment);

/* fix_encoding.c: undo wrong decodings, as often as there are any. */
panda_status pnd_fix_encoding(struct pnd_fixer *f, struct pnd_ustring *text);

/* fix_badness.c */

/** What is known about a character; NULL when no wrong decoding gives it. */
const struct pnd_fix_char *pnd_fix_find_char(uint32_t c);

/** Whether some characters stand beside each other that would not in a text
 *  that was decoded rightly. */
bool pnd_fix_is_bad(const uint32_t *text, size_t size);

/* fix_bytes.c; bytes are held one in each element, and `out` is replaced. */

/** Whether pnd_fix_restore_a0 would find anything. */
bool pnd_fix_has_lost_a0(const struct pnd_ustring *bytes);

/** Turn spaces that were bytes A0 of UTF-8 back into them. */
panda_status pnd_fix_restore_a0(struct pnd_ustring *out,
                                const struct pnd_ustring *bytes);

/** Turn sequences with lost bytes (1A, "?") into U+FFFD in UTF-8. */
panda_status pnd_fix_replace_lost(struct pnd_ustring *out,
                                  const struct pnd_ustring *bytes);

/** Decode UTF-8, CESU-8 and Java's null; `*valid` is false when they are
 *  something else. */
panda_status pnd_fix_decode(struct pnd_ustring *out,
                            const struct pnd_ustring *bytes, bool *valid);

/* fix_chars.c */

/** Replace C1 controls, ligatures, fullwidth and halfwidth forms, curly
 *  quotes and other line ends. `out` is replaced. */
panda_status pnd_fix_replace_chars(struct pnd_ustring *out,
                           const struct pnd_ustring *text);

/** Remove terminal escapes, and control characters that show nothing. */
void pnd_fix_remove_controls(struct pnd_ustring *text);

#endif
