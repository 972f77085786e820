/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PND_TEXT_NORMAL_FORM_H
#define PND_TEXT_NORMAL_FORM_H

#include <stdbool.h>

#include "base/buffer.h"

/* Unicode's canonical normal forms, which some vocabularies bring text into
 * before they look for pieces. Own tables, so that the ids of a text are the
 * same in every build. */
enum pnd_normal_form {
    PND_NORMAL_NONE, /* text stays as it is */
    PND_NORMAL_C,    /* letters with their marks as one character */
    PND_NORMAL_D     /* letters and marks apart */
};

/** The form's name in files, "NFC" or "NFD"; NULL for NONE. */
const char *pnd_normal_get_name(enum pnd_normal_form form);
/** The way back; NONE when it names neither. */
enum pnd_normal_form pnd_normal_find_name(const char *name, size_t length);

/** Whether the first bytes of all characters tell that the text is in the
 *  form: false does not mean that it is not. */
bool pnd_normal_is_plain(enum pnd_normal_form form, const uint8_t *text,
                         size_t size);

/** Append well-formed UTF-8 in the form; at most three times as long. Time is
 *  linear. */
panda_status pnd_normal_append(enum pnd_normal_form form, const uint8_t *text,
                               size_t size, struct pnd_buffer *out);

#endif
