#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Write char_table.c, the kinds of characters that splitting text looks at.

    pip install unicodedata2==16.0.0
    python3 make_char_table.py

Unicode 16 is what the reference's splitter (tokenizers 0.23, Oniguruma) has.
"""
from pathlib import Path

import unicodedata2

KINDS = {'Lu': 'UPPER', 'Ll': 'LOWER', 'Lt': 'TITLE', 'Lm': 'MODIFIER',
         'Lo': 'LETTER', 'M': 'MARK', 'N': 'NUMBER', 'P': 'PUNCTUATION',
         'S': 'SYMBOL'}
ORDER = ['OTHER', 'SPACE', *KINDS.values(), 'PAIRS']
SPACES = [*range(9, 14), 0x20, 0x85, 0xa0, 0x1680, *range(0x2000, 0x200b),
          0x2028, 0x2029, 0x202f, 0x205f, 0x3000]


def kind_of(code):
    if code in SPACES:
        return 'SPACE'
    category = unicodedata2.category(chr(code))
    return KINDS.get(category) or KINDS.get(category[0], 'OTHER')


def runs():
    """(first code point, kind): each run ends where the next begins. PAIRS is
    UPPER, LOWER, UPPER ... from the first code point on."""
    kinds = [kind_of(code) for code in range(0x110000)]
    at = 0
    while at < len(kinds):
        end = at
        while kinds[end:end + 2] == ['UPPER', 'LOWER']:
            end += 2
        if end - at >= 4:
            yield at, 'PAIRS'
        else:
            end = at
            while end < len(kinds) and kinds[end] == kinds[at]:
                end += 1
            # A run of one kind gives its last character to pairs behind it.
            if end - at > 1 and kinds[at] == 'UPPER' and \
                    kinds[end:end + 3] == ['LOWER', 'UPPER', 'LOWER']:
                end -= 1
            yield at, kinds[at]
        at = end


def main():
    entries = [f'0x{code << 4 | ORDER.index(kind):x},'
               for code, kind in runs()]
    lines, line = [], '   '
    for entry in entries:
        if len(line) + 1 + len(entry) > 80:
            lines.append(line)
            line = '   '
        line += ' ' + entry
    lines.append(line)
    text = '\n'.join(lines)
    (Path(__file__).resolve().parent / 'char_table.c').write_text(
        f"""/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
/* Made by make_char_table.py from Unicode {unicodedata2.unidata_version}; do \
not edit. */
#include "text/char_class.h"

const uint32_t pnd_char_runs[] = {{
{text}
}};

const uint32_t pnd_char_run_count =
    sizeof pnd_char_runs / sizeof *pnd_char_runs;
""", encoding='ascii')


main()
