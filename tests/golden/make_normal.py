#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Write normal.json: texts, and what HF's normalisers NFC and NFD make of
them.

    pip install tokenizers==0.23.3
    python3 make_normal.py
"""
import json
import random
import unicodedata
from pathlib import Path

from tokenizers import normalizers

TEXTS = [
    "", "a", "caf\u00e9", "cafe\u0301", "Tie\u0302\u0301ng Vie\u0323\u0302t",
    "Ti\u1ebfng Vi\u1ec7t", "e\u0323\u0302", "e\u0302\u0323",
    "\u1112\u1161\u11ab\u1100\u1173\u11af", "\ud55c\uae00", "\uac00\u11a8",
    "\uac01\u11a8", "\u1100\u1161\u11a7\u1161", "\u1100\u1100\u1161\u1161",
    "\u1100\u0301\u1161", "\ud7a3\u11c2", "\u115f\u1161 \u1100\u1176",
    "\u0301a\u0301", "\u0301\u0323\u0301", "\u0345\u0301\u0323",
    "a\u0345\u0301\u0323", "\u03b1\u0345\u0313\u0300", "\u1f82",
    "\u212b \u2126 \u212a", "\u0344 \u0958 \u2adc", "\ufb1d \ufb2c",
    "\uf900 \U0002f800 \u2f00", "\u09c7\u09be \u09c7\u09d7 \u0b47\u0b56",
    "\u0dd9\u0dcf\u0dca \u0dd9\u0dca\u0dcf", "\u0cc6\u0cc2\u0cd5",
    "\U000110a5\U000110ba \U00011935\U00011930", "\U0001d160 \U0001d1bb",
    "q\u0307\u0323 q\u0323\u0307", "s\u0323\u0307 \u1e9b\u0323",
    "\u0f71\u0f72\u0f74 \u0f73", "\u3042\u3099 \u304b\u3099 \u30cf\u309a",
    "a\u0301\u0301\u0301 o\u031b\u0323\u0309", "\u05e9\u05c1\u05bc\u05b7",
    "\u064a\u0654 \u0627\u0653\u064e\u0651", "\u0928\u093c \u0915\u093c",
    "a\u1dfa\u0323 \U0001e2ec\u0345 \u0345\U0001e2ec", "\U0010ffff\u0301",
    "\ufb01 \u2460 \uff21 \uff8a\uff9e", "a" + "\u0301\u0323" * 20,
]


def make_alphabet():
    """What can be taken apart, and marks; more often the shorter ones."""
    apart = [chr(c) for c in range(0x30000) if not 0xd800 <= c < 0xe000 and
             unicodedata.normalize("NFD", chr(c)) != chr(c)]
    marks = [chr(c) for c in range(0x1e000) if unicodedata.combining(chr(c))]
    jamo = [chr(c) for c in range(0x10fe, 0x1200, 3)]
    return apart, marks, jamo


def main():
    random.seed(6)
    texts, kinds = list(TEXTS), make_alphabet()
    for _ in range(120):
        text = ""
        for _ in range(random.randint(2, 7)):
            text += random.choice(random.choice([*kinds, "aeosu \u0302\u0323"]))
        texts.append(text)
    nfc, nfd = normalizers.NFC(), normalizers.NFD()
    rows = [{"text": text, "nfc": nfc.normalize_str(text),
             "nfd": nfd.normalize_str(text)} for text in texts]
    (Path(__file__).resolve().parent / "normal.json").write_text(
        json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
        .replace("},{", "},\n{") + "\n")


if __name__ == "__main__":
    main()
