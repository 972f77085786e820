#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Write ftfy.tsv: texts and what ftfy, Python's html and regex make of them.

    pip install ftfy==6.3.1 regex
    python3 make_ftfy.py

Columns: kind, text, result. Kinds that begin with "fix-" are ftfy.fix_text;
"html" is html.unescape; "strict" is ftfy's unescape_html; "words" is the
reference's whole way from a text to words, joined by spaces. Backslashes and
control characters are written \\\\ and \\xNN.
"""
import html
import html.entities
import random
import unicodedata
from pathlib import Path

import ftfy
import ftfy.bad_codecs  # noqa: F401  (registers the sloppy encodings)
import regex
from ftfy.chardata import CHARMAP_ENCODINGS
from ftfy.fixes import unescape_html

SENTENCES = """
A dog runs over the wet grass.
It's the café's "best" crème brûlée.
Où est passé le garçon à l'école ?
Das Mädchen läuft über die große Straße.
El niño comió una piña en el jardín.
O pão está à mesa, não é?
Perché la città è così lontana?
Flygplanet över ån är på väg.
Køb en rød blomst på torvet.
Æðislegt veður í Þórsmörk.
Žluťoučký kůň pěl ďábelské ódy.
Źdźbło trawy i gęś w śniegu.
Árvíztűrő tükörfúrógép zúg.
Știu că pădurea este liniștită.
Šunį ir žąsį mačiau vakar.
Ģimenes māja pie jūras.
İstanbul'da güneşli bir gün.
Con mèo đang ngủ trên ghế.
Ĉiuj ŝafoj sur la montaĵo.
Кошка спит на окне.
Їжак і ґава п'ють воду.
Ђак чита љубавну књигу.
Η γάτα κοιμάται ΕΔΩ, ο δρόμος.
החתול ישן על החלון
القطة نائمة على السرير
گربه روی تخت خوابید
बिल्ली खिड़की पर सो रही है
বিড়ালটি ঘুমাচ্ছে
பூனை தூங்குகிறது
แมวนอนอยู่บนเก้าอี้
კატა ფანჯარაზე სძინავს
Կատուն քնած է
ድመቷ ተኝታለች
猫が窓辺で眠っている。
小猫在窗台上睡觉，很安静。
고양이가 창가에서 잔다
Price: 5 € or £4 – “cheap” it’s said…
¿Qué? ¡Sí! 25 °C ± 2 × 3 ½
naïve coöperation — Zoë’s résumé
I ♥ NY ✔ 😺🚀 👩\u200d👩\u200d👧 🇫🇷 ☃️
ß Ø å Å µ § ¶ © ® ™ † ‡ • ‰
(╯°□°)╯︵ ┻━┻ ಠ_ಠ ¯\\_(ツ)_/¯
""".strip().split('\n')


def fix_texts(rng):
    """Pairs of kind and text for fix_text."""
    for text in SENTENCES:
        yield 'clean', text
        yield 'nfd', unicodedata.normalize('NFD', text)
        raw = text.encode()
        for encoding in CHARMAP_ENCODINGS:
            wrong = raw.decode(encoding)
            if wrong != text:
                yield 'mojibake', wrong
        wrong = raw.decode('sloppy-windows-1252')
        yield 'twice', wrong.encode().decode(rng.choice(CHARMAP_ENCODINGS[:3]))
        yield 'space', wrong.replace('\xa0', ' ')
        yield 'lost', raw.decode('windows-1252', 'replace')
        yield 'lost', raw.decode('windows-1252', 'replace').replace(
            '\ufffd', '?')
        words = [w.encode().decode(rng.choice(CHARMAP_ENCODINGS))
                 if rng.random() < .5 else w for w in text.split(' ')]
        yield 'partial', ' '.join(words)
        at = rng.randrange(len(wrong))
        yield 'cut', wrong[at:]
        yield 'cut', wrong[:at] + rng.choice('“中½é') + wrong[at:]
        yield 'chars', ''.join(change(rng, c) for c in text)
        yield 'control', ''.join(c + noise(rng) for c in text)
        yield 'html', html.escape(text)
        yield 'html', text.encode('ascii', 'xmlcharrefreplace').decode()
    table = sorted({c for e in CHARMAP_ENCODINGS
                    for c in bytes(range(128, 256)).decode(e)} | {'\ufffd'})
    for _ in range(700):
        yield 'random', ''.join(
            rng.choice(table) if rng.random() < .7 else rng.choice('azA .\n?9')
            for _ in range(rng.randrange(2, 10)))
    leads = [*range(0xc2, 0xf4), 0x20, 0x1a, 0xed, 0xc0, 0xe2, 0xc3, 0xf0]
    tails = [*range(0x80, 0xc0), 0x20, 0x1a, 0x3f, 0x0a, 0x61, 0xa0]
    for _ in range(700):
        raw = bytes(rng.choice(leads if i % 3 == 0 else tails)
                    for i in range(rng.randrange(2, 10)))
        yield 'bytes', raw.decode(rng.choice(CHARMAP_ENCODINGS))
    yield 'lines', 'a &amp; b\nx < y &amp; z\nstill &amp; kept'
    yield 'lines', 'Ã©\r\nplain\rÃ¼\u2028end'
    yield 'lines', 'Ã©À\nnext'
    pair = b''.join(chr(u).encode('utf-8', 'surrogatepass')
                    for u in (0xd83d, 0xde00))
    yield 'pair', ('a' + pair.decode('latin-1')).rstrip()
    yield 'pair', 'a' + pair.decode('sloppy-windows-1252') + ' Ã©'


def change(rng, char):
    if char in '"\'':
        return rng.choice('“”„‟‘’‚‛ʼ')
    draw = rng.random()
    if draw < .15 and '!' <= char <= '~':
        return chr(ord(char) + 0xfee0)
    if draw < .2:
        return char + rng.choice('ﬀﬁﬂﬃﬄﬅﬆŉĲĳǱǲǳǄǅǆǇǈǉǊǋǌ\u3000')
    return char + chr(rng.randrange(0xff61, 0xfff0)) if draw < .23 else char


def noise(rng):
    if rng.random() > .15:
        return ''
    return rng.choice([chr(rng.randrange(32)), chr(rng.randrange(0x7f, 0xa0)),
                       '\u2028', '\u2029', '\ufeff', '\ufffc', '\u206b',
                       '\u200d', '\xad', '\r\n', '\x1b[0m', '\x1b[36;44m',
                       '\x1b[\u0663m', '\x1b[1;'])


def references(rng):
    names = list(html.entities.html5)
    for name in rng.sample(names, 150):
        yield '&' + rng.choice([name, name.upper(), name[:-1] + 'x',
                                name[:-2] + ';', name.rstrip(';') + ' z'])
    yield from ('&amp', '&ampamp;', '&notit;', '&notin;', '&;', '&#;', '&#x;',
                '&#x41G;', '&#65a', '&#0;', '&#13;', '&#x80;', '&#x9f',
                '&#xD800;', '&#x110000;', '&#99999999999999999999999;',
                '&#59;', '&#11;', '&#xFFFE;', '&fjlig;', '&NotEqualTilde;',
                '&SZLIG;', '&FFILIG;', '&NAPOS;', '&EACUTE;', '&nTILDE;',
                '&CounterClockwiseContourIntegral;', '&frac12', '&FRAC12;',
                '&' + 'a' * 40 + ';', '&lt' + 'é' * 40)


PATTERN = regex.compile(
    r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+"""
    r"""|[\p{N}]|[^\s\p{L}\p{N}]+""", regex.IGNORECASE)


def find_words(text):
    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    text = regex.sub(r'\s+', ' ', text).strip().lower()
    return ' '.join(regex.findall(PATTERN, text))


def texts_of_words(rng):
    yield from SENTENCES
    parts = ["'s", "'\u017f", "'LL", "it's", "DON'T", 'ΟΔΟΣ', 'Σ', "ΑΣ'Α",
             'ΑΣ.', 'İX', 'ǅ', 'K', 'ſ', '<|startoftext|>', '<|ENDOFTEXT|>',
             '<|\u017ftartoftext|>', '\u0345', '!\u0345!', '½', '²', '١٢', 'Ⅷ',
             'ⓐ', '一二', '&amp;amp;lt;', '&notit;', '\u200b', '\u3000',
             '...', "!!'s", '_a', 'C++', '&Aacute', '\x00', '\x85', 'Â©']
    for _ in range(250):
        yield ''.join(rng.choice(parts) + rng.choice(['', ' ', '\n', ''])
                      for _ in range(rng.randrange(1, 6)))


def escape(text):
    if text.endswith(' '):
        return escape(text[:-1]) + '\\x20'
    return ''.join('\\\\' if c == '\\' else
                   f'\\x{ord(c):02x}' if ord(c) < 32 or 127 <= ord(c) < 160
                   else c for c in text)


def main():
    rng = random.Random(1)
    rows = [('fix-' + kind, t, ftfy.fix_text(t)) for kind, t in fix_texts(rng)]
    for text in references(rng):
        rows.append(('html', text, html.unescape(text)))
        rows.append(('strict', text, unescape_html(text)))
    rows += [('words', t, find_words(t)) for t in texts_of_words(rng)]
    lines = dict.fromkeys('\t'.join((k, escape(t), escape(r)))
                          for k, t, r in rows)
    path = Path(__file__).resolve().parent / 'ftfy.tsv'
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8', newline='\n')


if __name__ == '__main__':
    main()
