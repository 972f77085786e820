# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Token ids by us, by HF's tokenizers or sentencepiece, and by llama.cpp, of
the same texts by the same vocabulary: SmolLM2's, and ones trained here for each
of the ways to split text and for LLaMA's settings.

HF's tokenizers and sentencepiece are what models were trained with: any
difference from them is a fault. llama.cpp's are told."""
import io
import json
import pathlib
import sys
import time

import gguf
import sentencepiece
from tokenizers import (AddedToken, Tokenizer, models, normalizers,
                        pre_tokenizers, trainers)

import models as files
import panda
import peer_llama
import strings

sys.path.append(str(pathlib.Path(__file__).parents[1] / "golden"))
from make_bpe import WAYS  # noqa: E402, the published ways to split

CONTROL, USER = 3, 4
SPECIAL = "<|endoftext|>"


def count_wrong(name, texts, get_ours, get_theirs, peer, limit=3):
    """Prints the first few differences; how many there are."""
    wrong = 0
    for text in texts:
        ours, theirs = get_ours(text), get_theirs(text)
        if ours == theirs:
            continue
        wrong += 1
        if wrong <= limit:
            at = next((i for i, pair in enumerate(zip(ours, theirs))
                       if pair[0] != pair[1]), min(len(ours), len(theirs)))
            print(f"  {name}, {peer}: {text[:60]!r}... at token {at}: "
                  f"{ours[at:at + 5]} here, {theirs[at:at + 5]} there")
    print(f"{name}: {len(texts) - wrong} of {len(texts)} texts as {peer}",
          flush=True)
    return wrong


def make_hf(tokens, types, merges, way, ignore_merges=False):
    """HF's tokenizer of a GGUF file's lists."""
    vocabulary = {token: i for i, token in enumerate(tokens)}
    pairs = [tuple(line.split(" ")) for line in merges]
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs,
                                     ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = WAYS[way]
    for token, kind in zip(tokens, types):
        if kind == CONTROL:
            tokenizer.add_special_tokens([AddedToken(token, normalized=False)])
        elif kind == USER:
            tokenizer.add_tokens([AddedToken(token, normalized=False)])
    return tokenizer


def compare_bpe(name, ours, hf, peer, texts):
    """With special tokens in the text as such, and as text."""
    wrong = 0
    for flags, plain in ((panda.PARSE_SPECIAL, False), (0, True)):
        hf.encode_special_tokens = plain
        label = name + (", plain" if plain else "")
        wrong += count_wrong(label, texts,
                             lambda t, f=flags: ours.tokenize(t, f),
                             lambda t: hf.encode(t).ids, "HF tokenizers")
        if peer:
            count_wrong(label, texts, lambda t, f=flags: ours.tokenize(t, f),
                        lambda t, p=plain: peer.tokenize(t, not p),
                        "llama.cpp")
    return wrong


def check_smollm2(library, folder, texts):
    path = files.fetch(folder)
    fields = gguf.GGUFReader(path).fields
    hf = make_hf(*(fields[f"tokenizer.ggml.{key}"].contents()
                   for key in ("tokens", "token_type", "merges")), "smollm")
    ours, peer = library.open(tokenizer=path), peer_llama.Model(path, 1, True)
    wrong = compare_bpe("SmolLM2", ours, hf, peer, texts)
    damaged = strings.make_bytes()
    wrong += count_wrong("SmolLM2, not UTF-8", damaged,
                         lambda b: ours.tokenize(b, panda.PARSE_SPECIAL),
                         lambda b: hf.encode(b.decode("utf-8", "replace")).ids,
                         "HF tokenizers after Python's decoding")
    wrong += check_long_runs("SmolLM2", ours)
    ours.close()
    peer.close()
    return wrong


def check_long_runs(name, model, units=("a", " ", "é", "1", "=")):
    """A long run of one unit must not take quadratic time."""
    slowest = 0
    for unit in units:
        text = unit * ((1 << 20) // len(unit.encode()))
        start = time.process_time()
        model.tokenize(text)
        slowest = max(slowest, time.process_time() - start)
    print(f"{name}: a run of 1 MiB in at most {slowest:.2f} s")
    return int(slowest > 1)


def train_bpe(way, texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = WAYS[way]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=6000, special_tokens=[SPECIAL], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=64))
    tokenizer.add_special_tokens(["<|im_start|>", "[INST]"])
    return tokenizer


def write_vocabulary(path, model, tokens, types, **lists):
    """A GGUF that holds nothing but a vocabulary."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if "merges" in lists:
        writer.add_tokenizer_pre(lists["pre"])
        writer.add_token_merges(lists["merges"])
        writer.add_bos_token_id(0)
        writer.add_eos_token_id(0)
    else:
        writer.add_token_scores(lists["scores"])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
    if "bos" in lists:
        writer.add_add_bos_token(lists["bos"])
    if "eos" in lists:
        writer.add_add_eos_token(lists["eos"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def check_way(library, folder, way, texts):
    """One way to split, from a tokenizer.json and from a GGUF vocabulary."""
    hf = train_bpe(way, texts[:600])
    path = folder / f"{way}.json"
    hf.save(str(path))
    ours = library.open(tokenizer=path)
    wrong = compare_bpe(f"{way} (tokenizer.json)", ours, hf, None, texts)
    ours.close()
    by_id = sorted(hf.get_vocab().items(), key=lambda item: item[1])
    tokens = [token for token, _ in by_id]
    added = hf.get_added_tokens_decoder()
    types = [CONTROL if i in added else 1 for i in range(len(tokens))]
    merges = [pair if isinstance(pair, str) else " ".join(pair)
              for pair in json.loads(hf.to_str())["model"]["merges"]]
    path = folder / f"{way}.gguf"
    write_vocabulary(path, "gpt2", tokens, types, merges=merges, pre=way)
    hf = make_hf(tokens, types, merges, way, way in ("llama-bpe", "tekken"))
    ours, peer = library.open(tokenizer=path), peer_llama.Model(path, 1, True)
    wrong += compare_bpe(f"{way} (GGUF)", ours, hf, peer, texts)
    ours.close()
    peer.close()
    return wrong


NAMES = ("default gpt-2 phi-2 mpt olmo jais smollm starcoder refact command-r "
         "codeshell exaone minerva-7b llama-bpe llama3 llama-v3 falcon3 "
         "falcon-h1 pixtral lfm2 dbrx smaug-bpe qwen2 deepseek-r1-qwen "
         "stablelm2 megrez tekken deepseek-llm deepseek-coder trillion").split()


def check_ends(library, folder):
    """Which ends of texts a GGUF's vocabulary asks for, said or not."""
    tokens = [SPECIAL, *pre_tokenizers.ByteLevel.alphabet(), "ab"]
    types = [CONTROL] + [1] * (len(tokens) - 1)
    asked = 0
    different = []
    for name in NAMES:
        for ends in ({}, {"bos": True, "eos": True}, {"bos": False}):
            path = folder / "ends.gguf"
            write_vocabulary(path, "gpt2", tokens, types, merges=["a b"],
                             pre=name, **ends)
            ours = library.open(tokenizer=path)
            peer = peer_llama.Model(path, 1, True)
            asked += 1
            if ours.get_ends() != peer.get_ends():
                different.append((name, ends))
            ours.close()
            peer.close()
    print(f"BOS and EOS: {asked - len(different)} of {asked} vocabularies as "
          f"llama.cpp {different}")
    return len(different)


def check_normal_forms(library, folder, texts):
    """Text that a tokenizer.json has brought into a normal form, as Qwen2's."""
    wrong = 0
    marked = strings.make_marked()
    for form in ("NFC", "NFD"):
        hf = train_bpe("qwen2", texts[:600] + marked[::50])
        hf.normalizer = getattr(normalizers, form)()
        path = folder / f"qwen2-{form}.json"
        hf.save(str(path))
        ours = library.open(tokenizer=path)
        wrong += compare_bpe(f"qwen2 with {form}", ours, hf, None,
                             texts + marked)
        wrong += check_long_runs(f"qwen2 with {form}", ours,
                                 ("\u0301\u0323", "\u1100\u1161", "\uac01"))
        ours.close()
    return wrong


def train_sentencepiece(texts):
    """A model file with LLaMA's settings."""
    lines = [line for text in texts for line in text.split("\n")
             if 0 < len(line) < 500 and "\x00" not in line]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=4000,
        model_type="bpe", byte_fallback=True, split_digits=True,
        allow_whitespace_only_pieces=True, character_coverage=0.995,
        normalization_rule_name="identity", add_dummy_prefix=True,
        remove_extra_whitespaces=False, minloglevel=2, num_threads=1)
    return model.getvalue()


def get_kind(pieces, i):
    return 2 if pieces.IsUnknown(i) else CONTROL if pieces.IsControl(i) \
        else 6 if pieces.IsByte(i) else 1


def check_sentencepiece(library, folder, texts):
    data = train_sentencepiece(texts[:1500])
    (folder / "tokenizer.model").write_bytes(data)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=data)
    count = pieces.GetPieceSize()
    write_vocabulary(
        folder / "llama.gguf", "llama",
        [pieces.IdToPiece(i) for i in range(count)],
        [get_kind(pieces, i) for i in range(count)],
        scores=[pieces.GetScore(i) for i in range(count)])
    wrong = 0
    for name in ("tokenizer.model", "llama.gguf"):
        ours = library.open(tokenizer=folder / name)
        wrong += count_wrong(name, texts, ours.tokenize, pieces.EncodeAsIds,
                             "sentencepiece")
        wrong += count_wrong(f"{name}, not UTF-8", strings.make_bytes(),
                             ours.tokenize, pieces.EncodeAsIds,
                             "sentencepiece")
        wrong += check_long_runs(name, ours)
        ours.close()
    ours = library.open(tokenizer=folder / "llama.gguf")
    peer = peer_llama.Model(folder / "llama.gguf", 1, True)
    count_wrong("llama.gguf", texts, ours.tokenize, peer.tokenize, "llama.cpp")
    ours.close()
    peer.close()
    return wrong


def check(library, folder):
    texts = strings.make_strings()
    folder = pathlib.Path(folder)
    wrong = check_smollm2(library, folder, texts)
    for way in WAYS:
        wrong += check_way(library, folder, way, texts)
    wrong += check_ends(library, folder)
    wrong += check_normal_forms(library, folder, texts)
    wrong += check_sentencepiece(library, folder, texts)
    return wrong == 0
