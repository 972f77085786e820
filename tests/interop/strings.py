# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Texts that tokenisers must agree on: of many languages and scripts, code,
emoji, control characters, odd spaces, long runs; the same in every run."""
import random
import unicodedata

from prompts import PROMPTS, TEXT

SENTENCES = [
    "The quick brown fox jumps over the lazy dog's 12 puppies.",
    "I'm sure they'll say it's 100% 'OK'; WE'RE not, he'd'VE said.",
    "Das Boot fährt über den großen Fluß; schön, daß du da bist!",
    "Été comme hiver, l'oiseau n'est-il pas là-bas ? Ça va, Noël.",
    "¿Qué hora es? ¡Mañana será otro día, señor Núñez!",
    "Pójdźże, kiń tę chmurność w głąb flaszy. Zażółć gęślą jaźń.",
    "İstanbul'da ışık, ığdır; ŞİŞLİ ve üç çocuk.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.",
    "你好，世界。今天的天气很好，我们去公园散步吧！１２３",
    "こんにちは、世界。カタカナとひらがな、漢字も混ざる文です。",
    "안녕하세요. 작은 배가 호수에 있습니다.",
    "مرحبا بالعالم، القارب في البحيرة ٠١٢٣٤٥",
    "שלום עולם, הסירה באגם.", "नमस्ते दुनिया, नाव झील में है।",
    "สวัสดีชาวโลก เรืออยู่ในทะเลสาบ", "Xin chào thế giới, thuyền ở hồ.",
    "👨\u200d👩\u200d👧\u200d👦 👍🏽 🏳️\u200d🌈 ❤️ 🇩🇪🇫🇷 ☺ 1️⃣", "🐼🎋🐼🎋🐼",
    "for (int i = 0; i < n; i++) { a[i] += b[i]->c; } // x\n",
    "def f(x, *args):\n\treturn x**2 if x else None  # why\r\n",
    "{\"key\": [1, 2.5e-3, null], \"two\": \"\\u00e9\\n\"}",
    "https://example.org/a/b?c=d&e=%20f#g user@example.org",
    "   three leading, two trailing  ", "a  b   c    d\t\te\n\n\nf\r\n\r\ng",
    "1 12 123 1234 12345 1234567890 3.14159 1,000,000 0x1F ½ ² Ⅷ",
    "camelCase snake_case SCREAMING_CASE kebab-case McDonald iPhone15Pro",
    "e\u0301 vs é; A\u030a vs Å; \u1100\u1161 vs 가; ﬁ ﬀ ① Ａ ﾊ",
    "\u00a0\u2003\u3000\u2028\u2029\u200b\ufeff\u00ad", "\x00\x01\x1b[0m\x7f\x85",
    "$+<=>^~|`@#%&*_-+=....----''\"\"[]{}()", "<s> </s> <unk> <0x0A> ▁ ▁▁x",
    "<|im_start|>user\nHi<|im_end|>\n<|endoftext|> <|im_", "[INST] x [/INST]",
    "\U0010ffff\ufffd\ue000\U0001d49c\U00020000", "Ǆ ǅ ǆ ʰ ª º ſ ẞ",
]

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789",
    "eeeaaioutnsr ", " \t\n\r", "    \n", ".,;:!?'\"()[]{}<>|/\\@#$%^&*-_=+~`",
    "àéîõüßøåçñÀÉÎÕÜØÅÇÑ", "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГД",
    "αβγδεζηθικλμνξοπρστυφχψωάέήίό", "的一是不了人我在有他这中大来上国",
    "あいうえおかきくけこアイウエオカキクケコー", "가나다라마바사아자차",
    "ابتثجحخدذرزسش", "אבגדהוזחטי", "अआइईउऊकखगघ्ािी", "กขฃคฅฆงจ่้๊",
    "😀😂🐼🎋👍🏽\u200d❤️🇩🇪", "\u0300\u0301\u0308\u20dd",
    "\u00a0\u2003\u3000\u2028\u200b\ufeff", "\x00\x01\x08\x0b\x0c\x1b\x1f\x7f",
    "½²③Ⅷ٣५", "▁", "'",
]


def make_piece(random_source):
    kind = random_source.random()
    if kind < 0.25:
        sentence = random_source.choice(SENTENCES)
        begin = random_source.randrange(len(sentence))
        return sentence[begin:begin + random_source.randint(1, 30)]
    if kind < 0.30:
        return random_source.choice(random_source.choice(ALPHABETS)) * \
            random_source.randint(2, 60)
    if kind < 0.35:
        begin = random_source.randrange(len(TEXT))
        return TEXT[begin:begin + random_source.randint(1, 80)]
    alphabet = random_source.choice(ALPHABETS)
    return "".join(random_source.choices(
        alphabet, k=random_source.randint(1, 12)))


def make_strings(count=2500):
    """`count` texts, the fixed ones first."""
    source = random.Random(20230525)
    strings = ["", " ", "  ", "\n", "a"] + SENTENCES + PROMPTS
    strings += [c * n for c in ("a", " ", "\n", "=", "é", "中", "🐼", "1", "\t",
                                "'", "\u0301") for n in (16, 255, 3000)]
    while len(strings) < count:
        strings.append("".join(make_piece(source)
                               for _ in range(source.randint(1, 8))))
    return strings


MARKED = [
    "Tie\u0302\u0301ng Vie\u0323\u0302t, nu\u031bo\u031b\u0301c", "Tiếng Việt",
    "Ngôn ngữ của người Việt, ẩn nấp; đường phố Hà Nội", "cafe\u0301",
    "\u1112\u1161\u11ab\u1100\u1173\u11af \uac00\u11a8 \ud7a3\u11c2",
    "\u1100\u0301\u1161 \u1100\u1100\u1161\u1161 \u1176\u11c3",
    "\u0301\u0323 \u0345\u0301 s\u0323\u0307 \u0344 \u212b \u2126 \uf900",
]


def make_marked(count=5000):
    """Texts that Unicode's normal forms change: first every character once."""
    source = random.Random(20230526)
    codes = [c for c in range(1, 0x110000) if not 0xd800 <= c < 0xe000]
    texts = MARKED + ["".join(f"a{chr(c)}" for c in codes[i:i + 1024])
                      for i in range(0, len(codes), 1024)]
    apart = [chr(c) for c in codes
             if unicodedata.normalize("NFD", chr(c)) != chr(c)]
    marks = [chr(c) for c in codes if unicodedata.combining(chr(c))]
    kinds = [apart, marks, [chr(c) for c in range(0x1100, 0x1200)],
             [chr(c) for c in range(0xac00, 0xd7a4)], "aeiouđAEIOU\u0302\u0323"
             "\u0309\u031b\u0306\u0301", list("".join(SENTENCES))]
    while len(texts) < count:
        texts.append("".join(source.choice(source.choice(kinds))
                             for _ in range(source.randint(2, 12))))
    return texts


def make_bytes(count=300):
    """Byte strings that are not UTF-8, or only nearly."""
    source = random.Random(7)
    found = [b"\xff", b"a\xc3b", b"\xe2\x96", b"\xed\xa0\x80", b"\xc0\x80",
             b"\xf4\x90\x80\x80", b"\xe0\x80\xaf", b"\xf0\x9f\x98 x", b"\x80" * 9]
    while len(found) < count:
        text = bytearray(make_piece(source).encode())
        for _ in range(source.randint(1, 3)):
            text[source.randrange(len(text))] = source.randrange(256)
        found.append(bytes(text))
    return found
