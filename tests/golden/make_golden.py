#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Make the golden set (README.md): cut the encoders, inputs and embeddings from
the fixtures, make a tiny random decoder and PandaGPT delta with the vocabulary
of make_tokenizer.py, and compute what they answer with the reference's own
libraries, none of ours.

    pip install torch==1.13.1 transformers==4.29.1 peft==0.3.0 \\
        sentencepiece==0.1.99 'numpy<1.24'
    python3 make_golden.py [FIXTURES]

The same versions write the same bytes."""
import collections
import json
import pathlib
import shutil
import sys

import make_tokenizer
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import (GenerationConfig, LlamaConfig, LlamaForCausalLM,
                          LlamaTokenizer, StoppingCriteria,
                          StoppingCriteriaList)

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parents[2] / "shared" / "fixtures"
FOLDER = HERE / "vicuna_tiny"
DELTA = HERE / "pandagpt_tiny.pt"

# Our name, the fixture's, modality.
INPUTS = [
    ("picture.jpg", "landscape_baseline.jpg", "image"),
    ("palette.png", "palette.png", "image"),
    ("film.mp4", "short_1s.mp4", "video"),
    ("speech.wav", "speech_8k.wav", "audio"),
    ("depth.png", "depth_mm_16bit.png", "depth"),
    ("thermal.jpg", "thermal_pseudo_rgb.jpg", "thermal"),
    ("movement.npy", "imu_f32.npy", "imu"),
]

SEED = 5  # the first whose answers pass check()
HIDDEN, INTERMEDIATE, LAYERS, HEADS, RANK = 64, 160, 2, 4, 4
MAX_TOKENS = 24

END = 2           # </s>
MARK = 273        # "##", what 2277 is in LLaMA's vocabulary
LINE_STOP = "\n###"

IMAGE, AUDIO = ["image", "picture.jpg"], ["audio", "speech.wav"]
DEPTH, THERMAL = ["depth", "depth.png"], ["thermal", "thermal.jpg"]
IMU = ["imu", "movement.npy"]

# name, mode, media, questions
CASES = [
    ("image", "reference", [IMAGE], ["What is in this picture?"]),
    ("audio", "reference", [AUDIO], ["What do you hear?"]),
    ("conversation", "reference", [IMAGE, AUDIO],
     ["Do they fit together?", "Why?", "Thank you."]),
    ("senses", "reference", [DEPTH, THERMAL, IMU], ["¿Qué es? 你好 😊"]),
    ("special", "reference", [IMU], ["  Say </s> now "]),
    ("special_is_text", "default", [IMU], ["  Say </s> now "]),
    ("heading", "default", [IMU],
     ["Write a heading.", "And another one?"]),
    ("text_only", "default", [], ["Hello, how are you?"]),
]

# Where the random output matrix is bent: (case, turn) and the tokens wanted.
# "The boat## is \U0001f60a small\n###": the second line break ends it, the
# first "##" does not, and four tokens make one character.
HEADING = [318, 492, MARK, 289, 823, 245, 164, 157, 143, 735, 388, 15, MARK,
           842]
# "conversation" ends by </s> after this many tokens of its own choice.
WORDS = 7


def cut_encoders(fixtures):
    """All towers but text, whose table of 49408 rows is 4.7 MB and whose
    vocabulary is CLIP's."""
    weights = torch.load(fixtures / "weights" / "imagebind_tiny.pth")
    for name in [n for n in weights if ".text." in n]:
        del weights[name]
    torch.save(weights, HERE / "imagebind_tiny.pth")
    with open(fixtures / "weights" / "imagebind_tiny.json") as f:
        config = json.load(f)
    config = {"constructor": {
        key: value for key, value in config["constructor"].items()
        if not key.startswith("text_")}}
    with open(HERE / "imagebind_tiny.json", "w") as f:
        json.dump(config, f, indent=1)
        f.write("\n")


def cut_inputs(fixtures):
    (HERE / "inputs").mkdir(exist_ok=True)
    stored = load_file(fixtures / "expected" / "encoder.safetensors")
    rows = []
    for name, origin, modality in INPUTS:
        shutil.copyfile(fixtures / "inputs" / origin, HERE / "inputs" / name)
        tower = "vision" if modality in ("image", "video") else modality
        scaled = stored[f"embedding/{tower}/{origin}"][0]
        pandagpt = stored.get(f"embedding_pandagpt/{tower}/{origin}",
                              scaled[None])[0]
        rows.append({"modality": modality, "file": name,
                     "scaled": scaled.tolist(), "pandagpt": pandagpt.tolist()})
    return rows


def open_tokenizer():
    """Make the folder whole, as a published one."""
    size = 1000
    shutil.copyfile(HERE / "tokenizer.model", FOLDER / "tokenizer.model")
    for name, content in make_tokenizer.FILES.items():
        with open(FOLDER / name, "w") as f:
            f.write((content % size if "%d" in content else content) + "\n")
    tokenizer = LlamaTokenizer.from_pretrained(FOLDER)
    assert tokenizer.sp_model.get_piece_size() == size
    return tokenizer


def rate_piece(piece):
    """Words are likelier than their parts, and those than letters and bytes:
    answers can be read."""
    word = piece.lstrip("▁")
    if not (len(word) > 1 and word.isascii() and word.isalpha()):
        return 0.3
    return 1.0 if len(piece) == len(word) + 1 else 0.6


def make_decoder(tokenizer, seed):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=HIDDEN,
        intermediate_size=INTERMEDIATE, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, max_position_embeddings=2048,
        rms_norm_eps=1e-6, pad_token_id=-1, bos_token_id=0, eos_token_id=1,
        tie_word_embeddings=False, torch_dtype="float16",
        architectures=["LlamaForCausalLM"])
    model = LlamaForCausalLM(config)
    for name, weight in model.named_parameters():
        if "norm" in name:
            weight.data.normal_(1.0, 0.2)
        elif "embed_tokens" in name or "lm_head" in name:
            weight.data.normal_(0.0, 0.5)
        else:
            weight.data.normal_(0.0, 2.0 * weight.shape[1] ** -0.5)
    for i, piece in enumerate(tokenizer.convert_ids_to_tokens(
            range(len(tokenizer)))):
        model.lm_head.weight.data[i] *= rate_piece(piece)
    return model.half()


def save_decoder(model):
    for file in FOLDER.glob("pytorch_model*"):
        file.unlink()
    model.save_pretrained(FOLDER, max_shard_size="260KB")
    # As in Vicuna v0 this file is right and config.json is not.
    GenerationConfig(bos_token_id=1, eos_token_id=2,
                     pad_token_id=0).save_pretrained(FOLDER)


def make_delta(seed):
    """One flat storage of halves tagged as a GPU's, and views of it."""
    torch.manual_seed(seed + 1000)
    shapes = {"llama_proj.weight": (HIDDEN, 64), "llama_proj.bias": (HIDDEN,)}
    for layer in range(LAYERS):
        for name in "qkvo":
            lora = (f"llama_model.base_model.model.model.layers.{layer}."
                    f"self_attn.{name}_proj.lora_")
            shapes[f"{lora}A.default.weight"] = (RANK, HIDDEN)
            shapes[f"{lora}B.default.weight"] = (HIDDEN, RANK)
    flat = torch.randn(sum(torch.Size(s).numel() for s in shapes.values()))
    flat = (0.3 * flat).half()
    at, delta = 0, collections.OrderedDict()
    for name, shape in shapes.items():
        size = torch.Size(shape).numel()
        view = flat[at:at + size].view(shape)
        delta[name] = torch.nn.Parameter(view, requires_grad=True)
        at += size
    torch.serialization.register_package(
        0, lambda storage: "cuda:0", lambda storage, tag: None)
    torch.save(delta, DELTA)
    torch.serialization._package_registry.pop(0)


class Stop(StoppingCriteria):
    """PandaGPT's rule, or ours: the line of the next speaker."""

    def __init__(self, tokenizer, mode):
        self.tokenizer, self.mode = tokenizer, mode

    def __call__(self, ids, scores, **_):
        if self.mode == "reference":
            return 2277 in ids[0]
        return LINE_STOP in self.tokenizer.decode(ids[0])


class PandaGPT:
    """The reference's forward pass from embeddings to words."""

    def __init__(self, dtype=torch.float32):
        self.dtype = dtype
        self.tokenizer = LlamaTokenizer.from_pretrained(FOLDER)
        model = LlamaForCausalLM.from_pretrained(FOLDER, torch_dtype=dtype)
        self.model = get_peft_model(model, LoraConfig(
            task_type="CAUSAL_LM", r=RANK, lora_alpha=RANK, lora_dropout=0.0,
            target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])).eval()
        delta = torch.load(DELTA, map_location="cpu")
        self.projection = torch.nn.Linear(64, HIDDEN)
        lora = {}
        for name, value in delta.items():
            part, rest = name.split(".", 1)
            if part == "llama_proj":
                getattr(self.projection, rest).data = value.data.to(dtype)
            else:
                lora[rest] = value.data.to(dtype)
        result = self.model.load_state_dict(lora, strict=False)
        assert not result.unexpected_keys

    def tokenize(self, text, mode):
        if mode == "reference":
            return self.tokenizer(text, add_special_tokens=False).input_ids
        return self.tokenizer.sp_model.encode(text)

    def embed(self, ids):
        table = self.model.get_input_embeddings()
        return table(torch.tensor(ids, dtype=torch.long))

    def project(self, embeddings):
        return sum(self.projection(torch.tensor(e, dtype=self.dtype))
                   for e in embeddings)

    def prompt(self, mode, embeddings, text):
        """Ids before and after the soft token, and the input vectors."""
        if not embeddings:
            ids = [1] + self.tokenize(f"### Human: {text}\n### Assistant:",
                                      mode)
            return ids, [], self.embed(ids)
        before = [1] + self.tokenize("### Human: <Img>", mode)
        after = self.tokenize(f"</Img> {text}\n### Assistant:", mode)
        vectors = torch.cat([self.embed(before),
                             self.project(embeddings)[None],
                             self.embed(after)])
        return before, after, vectors

    def generate(self, mode, vectors):
        """Ids that were generated, and the smallest lead of a choice."""
        out = self.model.generate(
            inputs_embeds=vectors[None], max_new_tokens=MAX_TOKENS,
            do_sample=False, use_cache=True, output_scores=True,
            return_dict_in_generate=True,
            stopping_criteria=StoppingCriteriaList(
                [Stop(self.tokenizer, mode)]))
        ids = out.sequences[0].tolist()
        assert ids[0] == 1  # a BOS that was never fed to the model
        leads = [(s[0].topk(2).values @ torch.tensor([1.0, -1.0],
                  dtype=s.dtype)).item() for s in out.scores]
        return ids[1:], min(leads)

    def answer(self, mode, ids):
        if mode == "reference":
            ids = ([1] + ids)[:-2]
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return text.split(LINE_STOP)[0] if mode == "default" else text

    @torch.no_grad()
    def run(self, case, embeddings):
        name, mode, media, questions = case
        vectors = [embeddings[file] for _, file in media]
        turns, history = [], ""
        for question in questions:
            text = history + question
            before, after, inputs = self.prompt(mode, vectors, text)
            ids, lead = self.generate(mode, inputs)
            answer = self.answer(mode, ids)
            turns.append({"question": question, "prompt_tokens": len(inputs),
                          "tokens": ids, "text": answer,
                          "lead": round(lead, 4)})
            history = f"{text}\n### Assistant: {answer}\n### Human: "
        return {"name": name, "compat": mode, "media": media, "turns": turns}

    @torch.no_grad()
    def states(self, case, embeddings, tokens):
        """What the output matrix sees at each step of the first answer, if
        its tokens are `tokens`."""
        _, mode, media, questions = case
        vectors = [embeddings[file] for _, file in media]
        _, _, inputs = self.prompt(mode, vectors, questions[0])
        inputs = torch.cat([inputs, self.embed(tokens)])
        hidden = self.model.base_model.model.model(
            inputs_embeds=inputs[None]).last_hidden_state[0]
        return hidden[-len(tokens) - 1:-1]


def bend(model, embeddings):
    """Give a few rows of the output matrix what makes two answers end as
    wanted: large at their own steps, 0 at the others, smallest otherwise."""
    cases = {case[0]: case for case in CASES}
    reference = PandaGPT()
    words = reference.run(cases["conversation"], embeddings)
    words = words["turns"][0]["tokens"][:WORDS] + [END]
    assert END not in words[:-1] and len(words) == WORDS + 1
    plan = HEADING + words
    states = torch.cat([
        reference.states(cases["heading"], embeddings, HEADING),
        reference.states(cases["conversation"], embeddings, words)]).double()
    logits = states @ reference.model.get_output_embeddings().weight.T.double()
    target = logits.max(dim=1).values + 1.0
    inverse = torch.linalg.pinv(states)
    for token in sorted(set(HEADING + [END])):
        steps = torch.tensor([t == token for t in plan])
        model.lm_head.weight.data[token] = (inverse @ (target * steps)).half()


def check(cases):
    turns = {case["name"]: case["turns"] for case in cases}
    assert turns["heading"][0]["tokens"] == HEADING
    assert turns["heading"][0]["text"] == "The boat## is \U0001f60a small"
    assert turns["conversation"][0]["tokens"][-1] == END
    assert len(turns["conversation"][0]["tokens"]) == WORDS + 1
    assert turns["special"][0]["text"] != turns["special_is_text"][0]["text"]
    for case in cases:
        for turn in case["turns"]:
            assert turn["lead"] > 0.01, (case["name"], turn)
            assert len(set(turn["tokens"])) > len(turn["tokens"]) / 2, turn


@torch.no_grad()
def make_logits(reference, embeddings):
    before, after, vectors = reference.prompt(
        "default", [embeddings["movement.npy"]], "What moves?")
    logits = reference.model(inputs_embeds=vectors[None]).logits[0, -1]
    return {"file": "movement.npy", "before": before, "after": after,
            "prefix": vectors[len(before)].tolist(), "logits": logits.tolist()}


def check_noise(cases, logits, embeddings):
    """The same in double precision."""
    reference = PandaGPT(torch.float64)
    for case, stored in zip(CASES, cases):
        fresh = reference.run(case, embeddings)
        for a, b in zip(fresh["turns"], stored["turns"]):
            assert a["tokens"] == b["tokens"] and a["text"] == b["text"]
    fresh = make_logits(reference, embeddings)["logits"]
    print("float32 against float64: logits differ by %.1e" %
          max(abs(a - b) for a, b in zip(fresh, logits["logits"])))


def round_floats(value):
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, list):
        return [round_floats(v) for v in value]
    if isinstance(value, dict):
        return {k: round_floats(v) for k, v in value.items()}
    return value


def main():
    fixtures = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES
    cut_encoders(fixtures)
    rows = cut_inputs(fixtures)
    embeddings = {row["file"]: row["pandagpt"] for row in rows}
    model = make_decoder(open_tokenizer(), SEED)
    make_delta(SEED)
    save_decoder(model)
    bend(model, embeddings)
    save_decoder(model)
    reference = PandaGPT()
    cases = [reference.run(case, embeddings) for case in CASES]
    logits = make_logits(reference, embeddings)
    for case in cases:
        for turn in case["turns"]:
            print(case["name"], turn)
    check(cases)
    check_noise(cases, logits, embeddings)
    golden = round_floats({"embeddings": rows, "logits": logits,
                           "max_tokens": MAX_TOKENS, "cases": cases})
    text = json.dumps(golden, ensure_ascii=True)
    for mark in ['{"modality"', '{"name"', '{"question"', '"logits"',
                 '"cases"']:
        text = text.replace(" " + mark, "\n" + mark)
    with open(HERE / "expected.json", "w") as f:
        f.write(text + "\n")


if __name__ == "__main__":
    main()
