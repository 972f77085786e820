#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Make tokenizer.model, a small vocabulary of our own with LLaMA's settings,
and tokenizer.json, what the reference's tokenizers make of some texts.

    pip install sentencepiece==0.1.99 transformers==4.29.1
    python3 make_tokenizer.py

Training is deterministic, but not the same in every version."""
import json
import logging
import os
import random
import struct
import tempfile

import sentencepiece
logging.disable(logging.WARNING)
from transformers import LlamaTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))

TEXT = """\
### Human: <Img></Img> What is in this picture?
### Assistant: The picture shows a small boat on a quiet lake. There are two people in the boat, and one of them is holding a long wooden oar.
###
### Human: What is the weather like?
### Assistant: It looks like a warm morning. The sky is clear, the water is calm, and the light comes from the left side of the picture.
###
### Human: <Img></Img> What do you hear in this sound?
### Assistant: I hear a dog barking, and behind it the noise of a street with cars. Someone is calling the dog, but the voice is too far away to understand the words.
###
## Heading
### Another heading
# The first heading of a page
A model reads a picture, a sound, a depth map, a thermal picture or the movement of a sensor, and turns each of them into the same kind of vector.
When two vectors are near to each other, the things that they describe are alike, whatever sense they came from.
The library has no other needs than a compiler; everything else is optional and found when it is built.
Every function that can fail returns a status, and the message says which file, which thing, what was found and what was expected.
Nothing is more useful than an example that works the first time it is tried.
The quick brown fox jumps over the lazy dog while the five boxing wizards jump quickly.
Pack my box with five dozen liquor jugs, and then send them to the station before noon.
She said that the meeting would begin at half past nine, but nobody was there when the door was opened.
If it rains tomorrow we will stay at home and read; otherwise we shall walk along the river and have lunch near the old mill.
There is something about the sea in winter that makes people walk slowly and speak quietly.
Understanding, translation, generation, information, station, nation, relation and question end with the same letters.
He was going, coming, running, walking, reading, writing, singing, bringing and thinking.
for (int i = 0; i < n; i++) { total += values[i]; }
if (status < 0) { return status; }
    def add(self, value):
        self.values.append(value)
        return len(self.values)
int main(void) { return 0; }
static const char *names[] = {"one", "two", "three"};
1 2 3 4 5 6 7 8 9 10 11 12 100 1000 2023 3.14159 -17 1e-9 0x1F
Das Bild zeigt ein kleines Boot auf einem ruhigen See. Die Sonne scheint, und der Himmel ist blau; über den Hügeln schön.
Le chat est sur la chaise près de la fenêtre. Il regarde les oiseaux qui chantent dans le jardin été comme hiver.
El niño come una manzana en la cocina mientras su madre lee un libro. ¿Qué hora es? ¡Mañana será otro día!
На картине изображена маленькая лодка на тихом озере. Привет, мир! Как дела?
Η μικρή βάρκα είναι στη λίμνη.
你好，世界。今天的天气很好，我们去公园散步。
こんにちは、世界。小さな船が湖にあります。
안녕하세요. 작은 배가 호수에 있습니다.
مرحبا بالعالم. القارب في البحيرة.
"""

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}

# What HF puts beside the vocabulary; %d is its number of pieces.
FILES = {
    "added_tokens.json": '{"[PAD]": %d}',
    "special_tokens_map.json": json.dumps(
        {**{key: {"content": value, "lstrip": False, "normalized": True,
                  "rstrip": False, "single_word": False}
            for key, value in SPECIAL.items()}, "pad_token": "[PAD]"}),
    "tokenizer_config.json": json.dumps(
        {"add_bos_token": True, "add_eos_token": False,
         "clean_up_tokenization_spaces": False, "pad_token": None,
         "tokenizer_class": "LlamaTokenizer", **SPECIAL}),
}

# The same with bare strings, which take the white space around them, and
# more of them.
BARE_FILES = {
    "added_tokens.json": '{"[END]": %d, "[PAD]": %d}',
    "special_tokens_map.json": json.dumps(
        {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>",
         "pad_token": "[PAD]", "additional_special_tokens": [
             "[END]", {"content": "<sep>", "lstrip": True, "rstrip": False,
                       "normalized": True, "single_word": False}]}),
    "tokenizer_config.json": json.dumps(
        {"tokenizer_class": "LlamaTokenizer", "bos_token": "",
         "eos_token": "", "unk_token": ""}),
}

TEXTS = [
    "", " ", "  ", "   three leading spaces", "Hello", " Hello", "Hello world",
    "hello  double  space", "trailing space ", "\n", "\n\n", "a\nb\r\nc\td",
    "###", " ###", "\n###", "##", "#", "####", "### Human: <Img>",
    "</Img> What is this?\n### Assistant:", "It is a boat.\n###", "<s>",
    "</s>", "a </s> b", "x<s>y<unk>z", "</s></s>", "<s> </s>", " </s> ",
    "[PAD] pad", "pad [PAD]", "a\u00a0[PAD]\u3000b", "[PAD][PAD]", "[PA",
    "\u2003</s>\u2028x", "</", "<<s>>", "<0x0A>", "<sep>", "a <sep> b",
    "<sep>er", "<sep>>", "[END]", "x [END] y", "<unk>", "a<unk>",
    "1234567890 3.14159 -17 1e-9", "naïve café — “quotes”", "Привет, мир!",
    "你好，世界。", "こんにちは", "안녕하세요", "مرحبا", "שלום", "😊🚀 emoji",
    "👨\u200d👩\u200d👧", "▁meta ▁space", "e\u0301 vs é", "\u00a0nbsp\u3000wide",
    "ﬁnd ① Ａ", "tab\t\ttab", "a" * 32, "=" * 17, " " * 33, "\x00nul", "a\x00",
    "\x01\x7f\x80\x9f", "\ufeffbom", "zero\u200bwidth", "\ufffd", "\U0010ffff",
    "for (int i = 0; i < n; i++) { a[i] += b[i]; }",
    "    return len(self.values)\n", "information generation", "THE QUICK FOX",
]

BYTES = [b"\xff", b"\xc3", b"a\xc3b", b"\xe2\x96", b"\xe2\x96\x81",
         b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe0\x80\xaf",
         b"\xf0\x9f\x98", b"ok \xf0\x9f\x98\x8a \x80\x80", b"\xfe\xfe \xff "]

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def build_model(pieces, trainer=(), normalizer=()):
    """A model file of (text, score, type) and of (field, value)s."""
    out = b""
    for text, score, kind in pieces:
        out += field(1, field(1, text.encode()) + b"\x15" +
                     struct.pack("<f", score) + field(3, kind))
    out += field(2, b"".join(field(*f) for f in [(3, 2), *trainer]))
    return out + field(3, b"".join(field(*f) for f in normalizer))


HEAD = [("<unk>", 0, UNKNOWN), ("<s>", 0, CONTROL), ("</s>", 0, CONTROL)]
ALL_BYTES = [("<0x%02X>" % i, 0, BYTE) for i in range(256)]

# Models for what LLaMA's does not have.
MODELS = {
    # Pieces of type UNUSED come apart again, the way they were made.
    "unused": (build_model(HEAD + [
        ("▁", -9, NORMAL), ("a", -9, NORMAL), ("b", -9, NORMAL),
        ("c", -9, NORMAL), ("ab", -1, NORMAL), ("abc", -2, UNUSED),
        ("bc", -1.5, UNUSED), ("abcabc", -3, UNUSED), ("▁a", -4, UNUSED),
        ("cc", -5, UNUSED), ("cccc", -6, NORMAL)], normalizer=[(4, 0)]),
        ["abc", "abcabc", "abcabcabc", "bc", "bcbc", "cc", "ccc", "cccc",
         "ccccc", "a", "a b c", "xabcx", "aabbcc"]),
    # Equal scores: leftmost first.
    "ties": (build_model(HEAD + [
        ("▁", 0, NORMAL), ("a", 0, NORMAL), ("aa", 0, NORMAL),
        ("aaa", 0, NORMAL), ("ab", 0, NORMAL), ("ba", 0, NORMAL),
        ("b", 0, NORMAL), ("aaaa", 1, NORMAL), ("▁b", 0, NORMAL)]),
        ["a", "aa", "aaa", "aaaa", "aaaaa", "a" * 11, "abab", "baba", "aab",
         "aba", "b b", " b  a ", "  ", "aabaabaa"]),
    # User-defined pieces come first, the longest wins, nothing joins them.
    "user": (build_model(HEAD + [
        ("▁", -1, NORMAL), ("a", -2, NORMAL), ("b", -3, NORMAL),
        ("x", -4, USER), ("xy", -5, USER), ("xyz", -6, USER),
        ("▁▁", -7, USER), ("a b", -8, USER), ("ax", -0.5, NORMAL),
        ("xa", -0.5, NORMAL), ("▁a", -0.5, NORMAL), ("y", -9, NORMAL),
        ("é", -1, USER)], normalizer=[(4, 0)]),
        ["x", "xy", "xyz", "xyx", "axa", "xxyxyz", "  a", "   ", "a b", "aa bb",
         "y", "é", "e\u0301", "xyzzy", "\u2581\u2581a", "q", "qqxqq"]),
    # No byte pieces: neighbours that are unknown become one.
    "unknown": (build_model(HEAD + [
        ("▁", -1, NORMAL), ("a", -2, NORMAL), ("▁a", -1, NORMAL),
        ("pq", -1, NORMAL), ("qr", -0.5, NORMAL)],
        trainer=[(44, "<?>".encode())]),
        ["a", "zzz", "a zz z a", "az", "za", "pq", "pqr", "ppq", "éa漢字a😊",
         "  a  a  ", "", " "]),
    # Bytes, no space in front, spaces as they are.
    "bare": (build_model(HEAD + ALL_BYTES + [
        (" ", -1, NORMAL), ("a", -2, NORMAL), (" a", -1, NORMAL),
        ("▁", -3, NORMAL)], trainer=[(35, 1), (46, b"</s>")],
        normalizer=[(3, 0), (4, 0), (5, 0)]),
        ["a", " a", "a a", "  a", "\u2581a", "b", "漢", "\n", " "]),
}


def make_rows(sp, texts):
    rows = []
    for text in texts:
        ids = sp.encode(text)
        rows.append({"text": text, "ids": ids})
    return rows


def decode(sp, ids):
    """Without bos, eos and unk, which count as special."""
    skip = (sp.unk_id(), sp.bos_id(), sp.eos_id())
    return sp.decode([sp.id_to_piece(i) for i in ids if i not in skip] or "")


def make_sequences(sp, extra, seed):
    rng = random.Random(seed)
    size = sp.get_piece_size() + extra
    out = []
    for _ in range(50):
        ids = [rng.choice([rng.randrange(size), rng.randrange(3, 259),
                           rng.choice([0, 1, 2, size - 1])])
               for _ in range(rng.randrange(1, 12))]
        out.append(ids)
    first = sp.piece_to_id("<0x00>")
    for text in ["é", "漢字", "😊", "a😊b"]:
        ids = [first + byte for byte in text.encode()]
        out += [ids, ids[:-1], ids[1:], ids[:2] + [2] + ids[2:],
                ids[:1] + [size - 1] + ids[1:], [1] + ids + ids[:-1] + [2]]
    return out


def make_parsed(name, files, model, sequences):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "tokenizer.model"), "wb") as f:
            f.write(model)
        for file, content in files.items():
            with open(os.path.join(folder, file), "w") as f:
                f.write(content)
        tokenizer = LlamaTokenizer.from_pretrained(folder)
        tokenizer.pad_token = tokenizer.eos_token
    rows = []
    for text in TEXTS:
        ids = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text))
        rows.append({"text": text, "ids": ids})
    for ids in sequences:
        rows.append({"ids": ids})
    for row in rows:
        row["decoded"] = tokenizer.decode(row["ids"], skip_special_tokens=True)
        row["kept"] = tokenizer.decode(row["ids"], skip_special_tokens=False)
    return {"name": name, "files": files, "bos": tokenizer.bos_token_id,
            "eos": tokenizer.eos_token_id, "rows": rows}


def main():
    path = os.path.join(HERE, "tokenizer.model")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.splitlines()),
        model_prefix=path[:-len(".model")], model_type="bpe", vocab_size=1000,
        byte_fallback=True, split_digits=True, add_dummy_prefix=True,
        remove_extra_whitespaces=False, normalization_rule_name="identity",
        allow_whitespace_only_pieces=True, character_coverage=0.998,
        user_defined_symbols=["<sep>", "<sep>er"], num_threads=1,
        minloglevel=2)
    os.remove(path[:-len(".model")] + ".vocab")
    sp = sentencepiece.SentencePieceProcessor(model_file=path)
    size = sp.get_piece_size()
    # As in LLaMA's: "###" is one piece at the start of a text, two behind "\n".
    assert sp.encode("###", out_type=str) == ["▁###"]
    assert sp.encode("\n###", out_type=str)[-2:] == ["##", "#"]
    with open(path, "rb") as f:
        model = f.read()
    files = {k: v % size if "%d" in v else v for k, v in FILES.items()}
    bare = {k: v % (size, size + 1) if "%d" in v else v
            for k, v in BARE_FILES.items()}
    golden = {
        "pieces": {p: sp.piece_to_id(p) for p in ["##", "▁###", "<sep>", "▁a"]},
        "size": size,
        "plain": make_rows(sp, TEXTS),
        "bytes": [{"hex": b.hex(), "ids": sp.encode(b)} for b in BYTES],
        "parsed": [
            make_parsed("rules", files, model, make_sequences(sp, 1, 1)),
            make_parsed("bare", bare, model, make_sequences(sp, 2, 2))],
        "models": []}
    for name, (data, texts) in MODELS.items():
        sp = sentencepiece.SentencePieceProcessor(model_proto=data)
        rows = make_rows(sp, texts)
        for row in rows:
            row["decoded"] = decode(sp, row["ids"])
        golden["models"].append({"name": name, "hex": data.hex(),
                                 "rows": rows})
    text = json.dumps(golden, ensure_ascii=True)
    for mark in ['{"text"', '{"ids"', '{"hex"', '{"name"', '"models"']:
        text = text.replace(" " + mark, "\n" + mark)
    with open(os.path.join(HERE, "tokenizer.json"), "w") as f:
        f.write(text + "\n")


if __name__ == "__main__":
    main()
