#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Write normal_table.c, what Unicode's normal forms C and D need to know.

    pip install unicodedata2==16.0.0 tokenizers==0.23.3
    python3 make_normal_table.py

The normalisers that models were trained with (tokenizers 0.23) know the
characters of Unicode 9; those that came later stay as they are there, and so
they do here.
"""
from pathlib import Path

import unicodedata2
from tokenizers import normalizers

HANGUL = range(0xac00, 0xd7a4)
CODES = [code for code in range(0x110000) if code not in range(0xd800, 0xe000)]
theirs = normalizers.NFD().normalize_str


def is_mark(code):
    """Whether they move it: no class is above that of U+0345 but this one."""
    return unicodedata2.combining(chr(code)) and \
        theirs(f'\u0345{chr(code)}') != f'\u0345{chr(code)}' or code == 0x345


def decompose(code):
    """The one or two characters it is made of."""
    text = unicodedata2.decomposition(chr(code))
    known = text and text[0] != '<' and theirs(chr(code)) != chr(code)
    return [int(part, 16) for part in text.split()] if known else []


def class_runs():
    before = 0
    for code in CODES:
        kind = unicodedata2.combining(chr(code)) if is_mark(code) else 0
        if kind != before:
            yield f'0x{code << 8 | kind:x}'
        before = kind


def spell(entries):
    lines, line = [], '   '
    for entry in entries:
        if len(line) + len(entry) + 2 > 80:
            lines.append(line)
            line = '   '
        line += f' {entry},'
    return '\n'.join([*lines, line])


def main():
    parts = {code: decompose(code) for code in CODES if code not in HANGUL}
    pairs = [(code, *p) for code, p in parts.items() if len(p) == 2]
    ones = [(code, *p) for code, p in parts.items() if len(p) == 1]
    assert not any(parts[second] for _, _, second in pairs)
    primary = sorted(
        (first, second, i) for i, (code, first, second) in enumerate(pairs)
        if unicodedata2.normalize('NFC', chr(first) + chr(second)) ==
        chr(code))
    (Path(__file__).resolve().parent / 'normal_table.c').write_text(
        f"""/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
/* Made by make_normal_table.py; do not edit. */
#include "text/normal_table.h"

const uint32_t pnd_normal_classes[] = {{
{spell(class_runs())}
}};

const uint32_t pnd_normal_pairs[][3] = {{
{spell(f'{{0x{c:x}, 0x{a:x}, 0x{b:x}}}' for c, a, b in pairs)}
}};

const uint32_t pnd_normal_ones[][2] = {{
{spell(f'{{0x{c:x}, 0x{a:x}}}' for c, a in ones)}
}};

const uint16_t pnd_normal_composed[] = {{
{spell(str(i) for _, _, i in primary)}
}};

#define COUNT(array) (sizeof(array) / sizeof *(array))

const uint32_t pnd_normal_class_count = COUNT(pnd_normal_classes);
const uint32_t pnd_normal_pair_count = COUNT(pnd_normal_pairs);
const uint32_t pnd_normal_one_count = COUNT(pnd_normal_ones);
const uint32_t pnd_normal_composed_count = COUNT(pnd_normal_composed);
""", encoding='ascii')


main()
