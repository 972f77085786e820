/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_HTML_H
#define PND_TEXT_HTML_H

#include "modalities/text/ustring.h"

/** Replace character references as a browser would (Python's html.unescape):
 *  with and without semicolon, wrong numbers too. `out` is replaced. */
panda_status pnd_html_unescape(struct pnd_ustring *out,
                               const struct pnd_ustring *text);

/** Replace the references that cannot be meant otherwise (ftfy's
 *  unescape_html): with a semicolon only; names of letters also all in
 *  capitals. `out` is replaced. */
panda_status pnd_html_unescape_strict(struct pnd_ustring *out,
                                      const struct pnd_ustring *text);

#endif
