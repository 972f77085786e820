#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Write html_table.c and fix_table.c.

    pip install ftfy==6.3.1
    python3 make_tables.py

html_table.c is the list of named character references of the HTML standard,
as Python's html.entities has it. fix_table.c says for each character that a
wrong decoding of UTF-8 can produce which byte it stands for in each encoding
(Python's codecs) and how ftfy classifies it.
"""
import html.entities
import re
from pathlib import Path

import ftfy
from ftfy.badness import MOJIBAKE_CATEGORIES
from ftfy.chardata import CHARMAP_ENCODINGS, UTF8_CLUES

HERE = Path(__file__).resolve().parent
HEAD = """/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
/* Made by make_tables.py{}; do not edit. */
"""

# In the order of the bits in fix_table.h.
CLASSES = ['common', 'c1', 'bad', 'law', 'currency', 'start_punctuation',
           'end_punctuation', 'numeric', 'kaomoji', 'upper_accented',
           'lower_accented', 'upper_common', 'lower_common', 'box']
CLUES = ['utf8_first_of_2', 'utf8_first_of_3', 'utf8_first_of_4',
         'utf8_continuation', 'utf8_continuation_strict']


def wrapped(items, indent='    ', width=80):
    line = indent
    for item in items:
        if len(line) + len(item) > width:
            yield line.rstrip()
            line = indent
        line += item + ' '
    yield line.rstrip()


def write_html(path):
    values = html.entities.html5
    seconds = sorted({ord(v[1]) for v in values.values() if len(v) > 1})
    groups = {}
    for name in sorted(n[:-1] for n in values if n.endswith(';')):
        v = values[name + ';']
        code = ord(v[0])
        if len(v) > 1:
            code |= (seconds.index(ord(v[1])) + 1) << 24
        if name in values:
            code |= 1 << 31
        groups.setdefault(name[0], []).append((name[1:], code))
    out = [HEAD.format(''), '#include "modalities/text/html_table.h"\n']
    out.append('const uint16_t pnd_html_seconds[] = {')
    out += wrapped([f'0x{s:04x},' for s in [0] + seconds])
    out.append('};\n')
    for letter, entries in groups.items():
        out.append(f'static const char names_{letter}[] =')
        pieces = wrapped([n for n, _ in entries], '', 73)
        out += [f'    "{p} "' for p in pieces]
        out[-1] += ';'
        out.append(f'static const uint32_t values_{letter}[] = {{')
        out += wrapped([f'0x{c:x},' for _, c in entries])
        out.append('};\n')
    out.append('const struct pnd_html_group pnd_html_groups[] = {')
    for letter, entries in groups.items():
        out.append(f"    {{'{letter}', {len(entries)}, names_{letter}, "
                   f'values_{letter}}},')
    out.append('};\n')
    out.append('const size_t pnd_html_group_count =\n'
               '    sizeof pnd_html_groups / sizeof *pnd_html_groups;')
    path.write_text('\n'.join(out) + '\n')


def to_byte(char, encoding):
    try:
        return char.encode(encoding)[0]
    except UnicodeEncodeError:
        return 0


def write_fix(path):
    tests = [re.compile('[' + table[key] + ']')
             for table, keys in ((MOJIBAKE_CATEGORIES, CLASSES),
                                 (UTF8_CLUES, CLUES)) for key in keys]
    out = [HEAD.format(f' from ftfy {ftfy.__version__} (Copyright Robyn Speer,\n'
                       ' * Apache-2.0)'),
           '#include "modalities/text/fix_table.h"\n',
           '/* The columns of bytes:']
    out += wrapped([e + (',' if e != CHARMAP_ENCODINGS[-1] else ' */')
                    for e in CHARMAP_ENCODINGS], ' * ')
    out.append('const struct pnd_fix_char pnd_fix_chars[] = {')
    count = 0
    for code in range(0x80, 0x10000):
        if 0xd800 <= code < 0xe000:
            continue
        char = chr(code)
        classes = sum(1 << i for i, t in enumerate(tests) if t.match(char))
        row = [to_byte(char, e) for e in CHARMAP_ENCODINGS]
        if classes or any(row):
            cells = ', '.join(str(b) for b in row)
            out.append(f'    {{0x{code:04x}, 0x{classes:05x}, {{{cells}}}}},')
            count += 1
    out.append('};\n')
    out.append('const size_t pnd_fix_char_count =\n'
               '    sizeof pnd_fix_chars / sizeof *pnd_fix_chars;')
    path.write_text('\n'.join(out) + '\n')


if __name__ == '__main__':
    write_html(HERE / 'html_table.c')
    write_fix(HERE / 'fix_table.c')
