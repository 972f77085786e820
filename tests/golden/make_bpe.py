#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Write bpe.json, a small byte-level vocabulary trained on the texts below, and
bpe_ids.json, what HF's tokenizers makes of texts with it by each of the ways
to split text that published vocabularies use.

    pip install tokenizers==0.23.3
    python3 make_bpe.py
"""
import json
import random
from pathlib import Path

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                        pre_tokenizers, trainers)

HERE = Path(__file__).resolve().parent
GPT2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|"
        r"\s+(?!\S)|\s+")
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
HEAD, TAIL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?{HEAD}*{TAIL}+|"
          rf"[^\r\n\p{{L}}\p{{N}}]?{HEAD}+{TAIL}*|\p{{N}}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CASED = (
    "A-Z a-z \u00b5 \u00c0-\u00d6 \u00d8-\u00f6 \u00f8-\u01ba \u01bc-\u01bf "
    "\u01c4-\u0293 \u0295-\u02af \u0370-\u0373 \u0376\u0377 \u037b-\u037d "
    "\u037f \u0386 \u0388-\u038a \u038c \u038e-\u03a1 \u03a3-\u03f5 "
    "\u03f7-\u0481 \u048a-\u052f \u0531-\u0556 \u10a0-\u10c5 \u13a0-\u13f5 "
    "\u13f8-\u13fd \u1c90-\u1cba \u1cbd-\u1cbf \u1d00-\u1d2b \u1d6b-\u1d77 "
    "\u1d79-\u1d9a \u1e00-\u1f15 \u1f18-\u1f1d \u1f20-\u1f45 \u1f48-\u1f4d "
    "\u1f50-\u1f57 \u1f59 \u1f5b \u1f5d \u1f5f-\u1f7d \u1f80-\u1fb4 "
    "\u1fb6-\u1fbc \u1fbe \u1fc2-\u1fc4 \u1fc6-\u1fcc \u1fd0-\u1fd3 "
    "\u1fd6-\u1fdb \u1fe0-\u1fec \u1ff2-\u1ff4 \u1ff6-\u1ffc \u2102 \u2107 "
    "\u210a-\u2113 \u2115 \u2119-\u211d \u2124 \u2126 \u2128 \u212a-\u212d "
    "\u212f-\u2134 \u2139 \u213c-\u213f \u2145-\u2149 \u214e \u2183\u2184 "
    "\u2c00-\u2c7b \u2c7e-\u2ce4 \u2ceb-\u2cee \u2cf2\u2cf3 \ua640-\ua66d "
    "\ua680-\ua69b \ua722-\ua76f \ua771-\ua787 \ua78b-\ua78e \uab70-\uabbf "
    "\ufb00-\ufb06 \ufb13-\ufb17 \uff21-\uff3a \uff41-\uff5a "
    "\U00010400-\U0001044f \U000104b0-\U000104d3 \U000104d8-\U000104fb "
    "\U00010c80-\U00010cb2 \U00010cc0-\U00010cf2 \U000118a0-\U000118df "
    "\U0001e900-\U0001e943").replace(" ", "")
SIGNS = "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"
ASIAN = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"

TEXTS = [
    "Hello, world! The panda eats bamboo; pandas don't eat 1234567 shoots.",
    "I'm sure they'll say it's 100% 'OK', won't WE'RE I'LL YOU'D he'\u017f",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! "
    "\u041a\u0430\u043a \u0434\u0435\u043b\u0430?",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u3053\u3093\u306b\u3061\u306f "
    "\uc548\ub155 \u0645\u0631\u062d\u0628\u0627 "
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0928\u092e\u0938\u094d\u0924\u0947",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f43c\U0001f3fd",
    "def f(x):\n    return x**2  # comment\n\n\tif a[0] != b['key']: pass\r\n",
    "\u00b2\u00b3 \u00bd \u2167 \u0663\u0664\u0665 12 123 1234 0x1F",
    "   leading and trailing   ", "a  b   c\t\td\n\n\nf \n g\r\n\r\nh \n",
    "http://example.com/a//b?q=1//\n", "camelCaseHTTPServer McDonald iPhone",
    "\u01c5abc \u02b0 \u00aa\u00ba e\u0301 \u0301\u0301 A\u0301B caf\u00e9",
    "\u00a0x\u2003y\u3000z\u2028w\x0bv\x00\x1b\x7f",
    "$+<=>^~|`@#%&*_-+= .... ---- ''s", "a" * 40, " " * 20, "\n" * 9, "1" * 11,
    "x<|special|>  y <tool> z<tool>endo endosome <|endoftext|>[INST]", "", " ",
]
ALPHABET = (" \n\r\t'/aAbBsZ019.,_!\u00e9\u00c9\u00df\u0416\u4e2d\uac00\u00aa"
            "\u02b0\u0301\u0663\u00bd\U0001f43c\u2019$<\u3000\u2028\u01c5")


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def steps(*list_of, regex=False):
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)
    return pre_tokenizers.Sequence([*list_of, last])


DIGITS = pre_tokenizers.Digits(individual_digits=True)
BREAK = split("[\r\n]")
# By their names in GGUF files.
WAYS = {
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "smollm": steps(DIGITS, regex=True),
    "llama-bpe": steps(split(LLAMA3)),
    "qwen2": steps(split(QWEN2)),
    "tekken": steps(split(TEKKEN)),
    "deepseek-llm": steps(BREAK, split(f"\\s?[{CASED}]+"), split(SIGNS),
                          split("\\s+$"), split(ASIAN), split("\\p{N}+")),
    "deepseek-coder": steps(BREAK, split("\\s?\\p{L}+"), split("\\s?\\p{P}+"),
                            split(ASIAN), DIGITS),
    "default": steps(split(r"[\p{P}\$\+<=>\^~\|]+"), split(GPT2),
                     split(r"\p{N}+"), split("[0-9][0-9][0-9]")),
}


def make_texts():
    random.seed(4)
    texts = list(TEXTS)
    for _ in range(30):
        length = random.randint(1, 24)
        texts.append("".join(random.choices(ALPHABET, k=length)))
    return texts


def main():
    texts = make_texts()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = WAYS["tekken"]
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts * 3, trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_special_tokens(
        [AddedToken("<|special|>", lstrip=True, rstrip=True), "[INST]"])
    tokenizer.add_tokens([AddedToken("<tool>"),
                          AddedToken("endo", single_word=True)])
    data = json.loads(tokenizer.to_str())
    data["pre_tokenizer"] = None
    (HERE / "bpe.json").write_text(
        json.dumps(data, ensure_ascii=True, separators=(",", ":"))
        .replace('},"', '},\n"').replace("],[", "],\n[") + "\n")
    result = {"size": tokenizer.get_vocab_size(), "texts": texts, "ways": []}
    for name, way in WAYS.items():
        tokenizer.pre_tokenizer = way
        spelled = json.loads(tokenizer.to_str())["pre_tokenizer"]
        rows = {}
        for key, plain in (("parsed", False), ("plain", True)):
            tokenizer.encode_special_tokens = plain
            rows[key] = [tokenizer.encode(text).ids for text in texts]
        result["ways"].append(
            {"name": name, "pre_tokenizer": json.dumps(spelled), **rows})
    random.seed(5)
    tokenizer.pre_tokenizer = WAYS["gpt-2"]
    result["decoded"] = []
    for _ in range(40):
        ids = [random.randrange(result["size"]) for _ in range(12)]
        result["decoded"].append(
            {"ids": ids, "text": tokenizer.decode(ids),
             "kept": tokenizer.decode(ids, skip_special_tokens=False)})
    (HERE / "bpe_ids.json").write_text(
        json.dumps(result, ensure_ascii=True, separators=(",", ":"))
        .replace("],[", "],\n[").replace("},{", "},\n{") + "\n")


if __name__ == "__main__":
    main()
