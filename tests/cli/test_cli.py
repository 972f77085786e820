#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""The panda program as a user runs it: right and wrong input, JSON, sessions.

usage: test_cli.py PANDA [unittest arguments]
Needs the fixtures (PANDA_TEST_FIXTURES); without them it is skipped.
PANDA_TEST_FEATURES names the optional libraries of the build (default: all).
"""
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

PANDA = pathlib.Path(sys.argv.pop(1)).resolve()
FIXTURES = pathlib.Path(os.environ.get("PANDA_TEST_FIXTURES", "."))
INPUTS, WEIGHTS = FIXTURES / "inputs", FIXTURES / "weights"
IMAGEBIND = ["--imagebind", WEIGHTS / "imagebind_tiny.pth"]
VOCAB = ["--clip-vocab", WEIGHTS / "bpe_simple_vocab_16e6.txt.gz"]
DECODER = ["--decoder", WEIGHTS / "vicuna_tiny"]
ADAPTER = ["--adapter", WEIGHTS / "pandagpt_tiny_delta.pt"]
CHAT = IMAGEBIND + DECODER + ADAPTER
NO_TEXT = "imagebind_tiny.pth: its text encoder is left out, expected CLIP's"
FEATURES = os.environ.get("PANDA_TEST_FEATURES",
                          "png jpeg sndfile utf8proc zlib ffmpeg").split()
READERS = {".png": "png", ".jpg": "jpeg", ".wav": "sndfile",
           ".flac": "sndfile", ".mp4": "ffmpeg"}


def can_read(*names):
    """Whether the build decodes files of these names."""
    wanted = {READERS.get(pathlib.Path(name).suffix) for name in names}
    return wanted - {None} <= set(FEATURES)


def needs(*features):
    missing = [f for f in features if f not in FEATURES]
    return unittest.skipIf(missing, f"built without {', '.join(missing)}")


def run(*args, stdin=None):
    return subprocess.run([PANDA, *map(str, args)], capture_output=True,
                          stdin=stdin or subprocess.DEVNULL, timeout=120,
                          check=False)


def parse_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = data[8 + size + begin:8 + size + end]
        tensors[name] = (entry["shape"],
                         struct.unpack(f"<{len(values) // 4}f", values))
    return tensors


class Temporary(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="panda-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def assert_one_line(self, result, *parts, code=1):
        lines = result.stderr.decode().splitlines()
        self.assertEqual(result.returncode, code, lines)
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].startswith("panda: "), lines)
        for part in parts:
            self.assertIn(str(part), lines[0])


class Quantize(Temporary):
    DECODER = WEIGHTS / "vicuna_tiny.f16.gguf"

    def test_decoder_gets_smaller(self):
        out = self.folder / "q.gguf"
        result = run("quantize", self.DECODER, "-o", out, "--decoder", "q4_0")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertLess(out.stat().st_size, 0.5 * self.DECODER.stat().st_size)
        self.assertEqual([out], list(self.folder.iterdir()))
        again = self.folder / "again.gguf"
        result = run("quantize", out, "-o", again, "--decoder", "q8_0")
        self.assertEqual(result.returncode, 0)
        self.assertIn(b"warning: the decoder is quantised already",
                      result.stderr)

    def test_measured_data_is_used(self):
        text = self.write("text.txt", b"A small bird sings in the rain. " * 20)
        data, out = self.folder / "i.gguf", self.folder / "q.gguf"
        plain = self.folder / "plain.gguf"
        result = run("quantize", self.DECODER, "--measure", text,
                     "--importance", data)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual({text, data}, set(self.folder.iterdir()))
        for path, more in ((out, ["--importance", data]), (plain, [])):
            result = run("quantize", self.DECODER, "-o", path, "--decoder",
                         "q4_k_m", *more)
            self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(out.stat().st_size, plain.stat().st_size)
        self.assertNotEqual(out.read_bytes(), plain.read_bytes())

    def test_wrong_use(self):
        out = self.folder / "q.gguf"
        for args in ([], ["-o", out], [self.DECODER, "-o", out],
                     [self.DECODER, "--decoder", "q4_0"],
                     [self.DECODER, "-o", out, "--decoder", "q9"],
                     [self.DECODER, "--measure", self.DECODER]):
            self.assertEqual(run("quantize", *args).returncode, 2, args)
        self.assert_one_line(run("quantize", self.DECODER, "-o", out,
                                 "--encoders", "q4_0"), "encoder_format")
        self.assert_one_line(run("quantize", self.DECODER, "-o", out,
                                 "--decoder", "q4_0", "--importance",
                                 self.DECODER), "no importance data")
        self.assertEqual([], list(self.folder.iterdir()))

    def test_failures_keep_the_old_file(self):
        out = self.write("q.gguf", b"old")
        self.assert_one_line(run("quantize", self.DECODER, "-o", out,
                                 "--decoder", "q4_0", "--importance",
                                 "/nowhere"), "/nowhere")
        self.assertEqual(out.read_bytes(), b"old")


def write_zeros(folder, source, rows):
    """An HF decoder like `source`, all zeros, with so many tokens."""
    config = json.loads((source / "config.json").read_text())
    config["vocab_size"] = rows
    width, wide = config["hidden_size"], config["intermediate_size"]
    shapes = {"model.embed_tokens.weight": [rows, width],
              "lm_head.weight": [rows, width], "model.norm.weight": [width]}
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        for name in "qkvo":
            shapes[f"{layer}self_attn.{name}_proj.weight"] = [width, width]
        shapes[layer + "mlp.gate_proj.weight"] = [wide, width]
        shapes[layer + "mlp.up_proj.weight"] = [wide, width]
        shapes[layer + "mlp.down_proj.weight"] = [width, wide]
        shapes[layer + "input_layernorm.weight"] = [width]
        shapes[layer + "post_attention_layernorm.weight"] = [width]
    header, end = {}, 0
    for name, shape in shapes.items():
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F16", "shape": shape,
                        "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(
        struct.pack("<Q", len(text)) + text + bytes(end))
    return folder


class Convert(Temporary):
    def convert(self, *args, name="b.gguf", warning=None):
        path = self.folder / name
        result = run("convert", *args, "-o", path)
        if warning:
            self.assert_one_line(result, "warning: ", warning, code=0)
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        self.assertEqual(bool(result.stderr), bool(warning), result.stderr)
        return path

    def test_a_bundle_answers_as_its_files(self):
        bundle = self.convert(*CHAT, warning=NO_TEXT)
        self.assertEqual([bundle], list(self.folder.iterdir()))
        picture = ["--imu", INPUTS / "imu_f32.npy"]
        for command, sources in (("embed", IMAGEBIND), ("chat", CHAT)):
            more = picture
            if command == "chat":
                more = picture + ["--prompt", "What is it?", "--max-tokens",
                                  "12"]
            expected = run(command, *sources, *more)
            found = run(command, "--model", bundle, *more)
            self.assertEqual((found.returncode, found.stdout),
                             (0, expected.stdout))
        text = ["--text", "Hello [PAD] </s>", "--parse-special"]
        self.assertEqual(run("tokenize", "--model", bundle, *text).stdout,
                         run("tokenize", *DECODER, *text).stdout)
        info = json.loads(run("info", bundle, "--json").stdout)
        self.assertEqual(info["missing"], ["clip_vocab"])
        self.assertEqual([source["part"] for source in info["sources"]],
                         ["encoders", "adapter", "decoder", "decoder",
                          "tokenizer"])
        self.assertEqual(info["sources"][0]["name"], "imagebind_tiny.pth")

    def test_parts(self):
        bundle = self.convert(*CHAT, warning=NO_TEXT)
        eyes = self.convert(bundle, "--only", "encoders", "--modalities",
                            "image,imu", name="eyes.gguf")
        info = json.loads(run("info", eyes, "--json").stdout)
        self.assertEqual(set(info["encoders"]), {"image", "video", "imu"})
        self.assertEqual(info["parts"], ["encoders"])
        decoder = self.convert(*CHAT, "--only", "decoder", name="d.gguf")
        self.assertIn(b"llama", decoder.read_bytes()[:100])
        info = json.loads(run("info", decoder, "--json").stdout)
        self.assertEqual(info["parts"], ["lora", "decoder", "tokenizer"])
        self.assertTrue(info["lora"]["merged"])

    def test_vicuna_is_llama_and_a_delta(self):
        delta = WEIGHTS / "vicuna_tiny"
        base = write_zeros(self.folder / "base", delta, 32000)
        total = self.convert("--base", base, "--delta", delta)
        prompt = ["--prompt", "Hi", "--max-tokens", "8"]
        self.assertEqual(run("chat", "--model", total, *prompt).stdout,
                         run("chat", *DECODER, *prompt).stdout)
        newer = write_zeros(self.folder / "newer", delta, 32000)
        result = run("convert", "--base", base, "--delta", newer, "-o",
                     self.folder / "n.gguf")
        self.assert_one_line(result, "Vicuna v1.1", "32001")
        result = run("convert", "--base", base, "--delta",
                     WEIGHTS / "gqa_tiny", "-o", self.folder / "n.gguf")
        self.assert_one_line(result, "width is 64")
        self.assertFalse((self.folder / "n.gguf").exists())

    def test_wrong_use(self):
        out = self.folder / "x.gguf"
        for args in ([*DECODER], ["-o", out], ["-o", out, "--base", "b"],
                     [*DECODER, "-o", out, "--only", "words"],
                     [*DECODER, "-o", out, "--decoder-format", "q9"]):
            self.assertEqual(run("convert", *args).returncode, 2, args)
        self.assert_one_line(run("convert", *DECODER, "-o", self.folder),
                             "is a directory")
        self.assert_one_line(run("convert", *DECODER, "-o", out, "--only",
                                 "projector"), "nothing to write")
        self.assertEqual([], list(self.folder.iterdir()))


class Embed(Temporary):
    @needs("png", "utf8proc", "zlib")
    def test_json_has_one_line_an_input(self):
        result = run("embed", *IMAGEBIND, *VOCAB, "--json", "--output", "unit",
                     "--image", INPUTS / "rgb.png", "--text", 'A "dog".',
                     "--imu", INPUTS / "imu.csv")
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([r["modality"] for r in rows],
                         ["image", "text", "imu"])
        self.assertEqual(rows[1]["input"], 'A "dog".')
        for row in rows:
            self.assertEqual(row["dim"], 64)
            self.assertEqual(len(row["embedding"]), 64)
            self.assertAlmostEqual(sum(v * v for v in row["embedding"]), 1, 5)

    @needs("sndfile")
    def test_outputs_differ_as_documented(self):
        values = {}
        for output in ("raw", "unit", "scaled", "pandagpt"):
            result = run("embed", *IMAGEBIND, "--json", "--output", output,
                         "--audio", INPUTS / "speech_16k_mono.wav")
            values[output] = json.loads(result.stdout)["embedding"]
        self.assertEqual(values["unit"], values["pandagpt"])
        for unit, scaled in zip(values["unit"], values["scaled"]):
            self.assertAlmostEqual(20 * unit, scaled, 4)

    @needs("sndfile")
    def test_dump_has_every_stage(self):
        dump = self.folder / "stages.safetensors"
        result = run("embed", *IMAGEBIND, "--dump", dump, "--audio",
                     INPUTS / "speech_16k_mono.wav")
        self.assertEqual(result.returncode, 0, result.stderr)
        stages = parse_safetensors(dump)
        self.assertEqual(stages["preprocessed"][0], [3, 1, 128, 204])
        self.assertEqual(stages["patches"][0], [3, 229, 48])
        for stage in ("block.0", "block.1"):
            self.assertEqual(stages[stage][0], [3, 229, 48])
        for stage in ("head", "unit", "scaled"):
            self.assertEqual(stages[stage][0], [3, 64])
        expected = parse_safetensors(
            FIXTURES / "expected/encoder_stages.safetensors")
        for ours, theirs in (("patches", "tokens"), ("block.0", "block0"),
                             ("block.0.attn", "block0.attn"),
                             ("block.1", "block1"), ("head", "head")):
            shape, values = expected[f"audio/speech_16k_mono.wav/{theirs}"]
            for a, b in zip(stages[ours][1], values):
                self.assertLess(abs(a - b), 2e-4, ours)

    def test_a_failing_input_does_not_keep_the_others(self):
        result = run("embed", *IMAGEBIND, "--json", "--image", "/no/file.png",
                     "--imu", INPUTS / "imu.csv")
        self.assert_one_line(result, "/no/file.png")
        self.assertEqual(len(result.stdout.splitlines()), 1)

    @needs("png")
    def test_depth_options_matter(self):
        def embed(*options):
            result = run("embed", *IMAGEBIND, "--json", "--depth",
                         INPUTS / "depth_mm_16bit.png", *options)
            self.assertEqual(result.returncode, 0, result.stderr)
            return json.loads(result.stdout)["embedding"]
        plain = embed()
        self.assertEqual(plain, embed("--depth-unit", "mm",
                                      "--depth-sensor", "kv1"))
        self.assertNotEqual(plain, embed("--depth-sensor", "xtion"))
        self.assertEqual(embed("--depth-sensor", "realsense"),
                         embed("--depth-baseline", "0.095"))
        self.assertNotEqual(plain, embed("--depth-focal", "300"))
        self.assertNotEqual(plain, embed("--depth-sun-rotated"))

    def test_usage(self):
        for args in ([], ["embed"], ["embed", "--nonsense"], ["fly"],
                     ["embed", "--imagebind", "x"],
                     ["embed", *IMAGEBIND, "--depth-sensor", "eye",
                      "--depth", "x"],
                     ["chat"], ["chat", *DECODER, "--json"], ["tokenize"],
                     ["info"], ["bench", "nothing"],
                     ["bench", "--threads", "x"]):
            result = run(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertRegex(result.stderr.decode(), "^(panda|usage)", args)
        for args in (["--help"], ["embed", "--help"], ["chat", "--help"],
                     ["tokenize", "--help"], ["info", "--help"],
                     ["bench", "--help"],
                     ["--version"]):
            result = run(*args)
            self.assertEqual(result.returncode, 0, args)
            self.assertTrue(result.stdout, args)


class WrongInput(Temporary):
    """One clear line, exit code 1, and the next input is embedded."""

    def refuse(self, modality, path, *parts):
        result = run("embed", *IMAGEBIND, "--json", f"--{modality}", path,
                     "--imu", INPUTS / "imu.csv")
        self.assert_one_line(result, path, *parts)
        self.assertEqual(len(result.stdout.splitlines()), 1)

    def test_missing_empty_and_directory(self):
        empty = self.write("empty.bin", b"")
        for modality in ("image", "video", "audio", "depth", "thermal", "imu"):
            self.refuse(modality, "/no/such/file")
            self.refuse(modality, empty, "empty")
            self.refuse(modality, self.folder, "directory")

    def test_truncated(self):
        for modality, name in (
                ("image", "landscape_baseline.jpg"), ("image", "rgb.png"),
                ("image", "portrait_progressive.jpg"),
                ("thermal", "thermal_gray.jpg"),
                ("depth", "depth_mm_16bit.png"),
                ("depth", "depth_metres_f32.npy"),
                ("audio", "speech_16k_mono.wav"), ("audio", "mix_22k05.flac"),
                ("video", "landscape_25fps_6s_aac.mp4"),
                ("imu", "imu_f32.npy")):
            data = (INPUTS / name).read_bytes()
            for part in (20, len(data) // 3, len(data) // 2):
                path = self.write(f"cut_{part}_{name}", data[:part])
                with self.subTest(name=name, bytes=part):
                    self.refuse(modality, path)

    def test_text_called_png(self):
        self.refuse("image", self.write("words.png", b"just some words\n"),
                    "PNG")

    def test_too_little_sound(self):
        self.refuse("audio", INPUTS / "too_short_20ms_16k.wav",
                    *["25 ms"] * can_read("short.wav"))
        header = (INPUTS / "speech_16k_mono.wav").read_bytes()[:44]
        silent = header[:4] + struct.pack("<I", 36) + header[8:40] \
            + struct.pack("<I", 0)
        self.refuse("audio", self.write("silent.wav", silent))

    def test_what_the_build_lacks(self):
        for modality, name, part in (
                ("image", "rgb.png", "PNG"),
                ("thermal", "thermal_gray.jpg", "JPEG"),
                ("audio", "speech_16k_mono.wav", "libsndfile"),
                ("video", "landscape_25fps_6s_aac.mp4", "FFmpeg")):
            if not can_read(name):
                self.refuse(modality, INPUTS / name, "this build", part)

    def test_nan_in_imu(self):
        lines = (INPUTS / "imu.csv").read_text().splitlines()
        fields = lines[7].split(",")
        fields[2] = "nan"
        lines[7] = ",".join(fields)
        path = self.write("nan.csv", "\n".join(lines).encode())
        self.refuse("imu", path, "az")

    def test_depth_without_a_valid_pixel(self):
        header = b"{'descr': '<f4', 'fortran_order': False, " \
            b"'shape': (8, 8), }"
        header += b" " * (-(len(header) + 11) % 64) + b"\n"
        data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) \
            + header + bytes(256)
        self.refuse("depth", self.write("holes.npy", data), "above 0")

    def test_checkpoint_lacking_a_tensor(self):
        name = "modality_trunks.vision.blocks.1.mlp.fc1.weight"
        path = self.folder / "lacking.pth"
        with zipfile.ZipFile(WEIGHTS / "imagebind_tiny.pth") as old, \
                zipfile.ZipFile(path, "w") as new:
            for info in old.infolist():
                data = old.read(info)
                if info.filename.endswith("data.pkl"):
                    data = data.replace(name.encode(),
                                        name[:-1].encode() + b"x")
                new.writestr(info.filename, data)
        shutil.copy(WEIGHTS / "imagebind_tiny.json",
                    self.folder / "lacking.json")
        result = run("embed", "--imagebind", path, "--image",
                     INPUTS / "rgb.png")
        self.assert_one_line(result, path, name)

    def test_parts_that_do_not_fit(self):
        result = run("chat", "--decoder", WEIGHTS / "gqa_tiny", *ADAPTER,
                     "--tokenizer", WEIGHTS / "vicuna_tiny/tokenizer.model",
                     "--prompt", "x")
        self.assert_one_line(result, "32", "64")
        folder = self.folder / "vicuna"
        shutil.copytree(WEIGHTS / "vicuna_tiny", folder)
        (folder / "added_tokens.json").unlink()
        result = run("chat", "--decoder", folder, "--prompt", "x")
        self.assert_one_line(result, "32000", "32001")

    def test_context_overflow(self):
        result = run("chat", *DECODER, "--prompt", "word " * 3000)
        self.assert_one_line(result, "2048")

    def test_one_shard_of_several(self):
        self.assert_one_line(
            run("chat", "--prompt", "x", "--decoder",
                WEIGHTS / "vicuna_tiny/pytorch_model-00001-of-00002.bin"),
            "one shard of several", "pytorch_model.bin.index.json")

    def test_the_wrong_part(self):
        words = self.write("words.txt", b"hello\n")
        encoders = WEIGHTS / "imagebind_tiny.pth"
        for args, *parts in (
                (["chat", "--decoder", encoders, "--prompt", "x"], encoders,
                 "model.embed_tokens.weight"),
                (["chat", *DECODER, "--adapter", encoders, "--prompt", "x"],
                 encoders, "llama_proj.weight"),
                (["chat", *DECODER, "--tokenizer", words, "--prompt", "x"],
                 words, "no vocabulary"),
                (["tokenize", "--tokenizer", encoders, "--text", "x"],
                 encoders, "no vocabulary"),
                (["tokenize", "--decoder", "/no/decoder", "--text", "x"],
                 "/no/decoder: cannot be opened"),
                (["embed", *IMAGEBIND, "--imagebind-config", words,
                  "--imu", INPUTS / "imu.csv"], words, "not JSON")):
            with self.subTest(args=args):
                self.assert_one_line(run(*args), *parts)

    @needs("utf8proc", "zlib")
    def test_wrong_merges_are_named(self):
        words = self.write("words.txt", b"hello\n")
        self.assert_one_line(run("embed", *IMAGEBIND, "--clip-vocab", words,
                                 "--text", "x"), words, "CLIP merges")

    def test_a_dump_takes_no_devices_place(self):
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        self.assert_one_line(run("embed", *IMAGEBIND, "--imu",
                                 INPUTS / "imu.csv", "--dump", pipe), pipe,
                             "regular file")
        self.assertTrue(pipe.is_fifo())

    def test_not_weights(self):
        words = self.write("words.pth", b"not weights at all")
        for path in (words, "/no/weights", self.folder):
            self.assert_one_line(run("embed", "--imagebind", path, "--image",
                                     INPUTS / "rgb.png"), path)


class Chat(Temporary):
    def test_reference_texts(self):
        """Every first turn of e2e.json, greedy, from the files."""
        cases = json.loads((FIXTURES / "expected/e2e.json").read_text())
        for case in cases["cases"]:
            names = sum(case["media"].values(), [])
            if "history" in case or not names or not can_read(*names):
                continue
            media = [part for modality, files in case["media"].items()
                     for name in files
                     for part in (f"--{modality}", INPUTS / name)]
            result = run("chat", *CHAT, *media, "--prompt", case["prompt"],
                         "--greedy", "--max-tokens", 32, "--compat",
                         "reference", "--json")
            with self.subTest(case=case["name"]):
                self.assertEqual(result.returncode, 0, result.stderr)
                turn = json.loads(result.stdout)["turns"][0]
                self.assertEqual(turn["tokens"], case["outputs"][1:])
                self.assertEqual(turn["text"], case["text"])

    def test_depth_and_imu_answer(self):
        for modality, name in (("depth", "depth_mm_16bit.png"),
                               ("imu", "imu.csv")):
            if not can_read(name):
                continue
            result = run("chat", *CHAT, f"--{modality}", INPUTS / name,
                         "--prompt", "What is it?", "--greedy",
                         "--max-tokens", 8)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertTrue(result.stdout.strip())

    @needs("utf8proc", "zlib")
    def test_text_answers(self):
        result = run("chat", *CHAT, *VOCAB, "--text", "A dog.", "--prompt",
                     "What is it?", "--greedy", "--max-tokens", 8, "--json")
        self.assertEqual(len(json.loads(result.stdout)["turns"][0]["tokens"]),
                         8)

    @needs("jpeg")
    def test_turns_stream_and_json(self):
        cases = json.loads((FIXTURES / "expected/e2e.json").read_text())
        wanted = [c for c in cases["cases"] if c["name"].startswith("image")
                  and c["media"] == {"image": ["landscape_baseline.jpg"]}]
        prompts = []
        for case in wanted:
            prompts += ["--prompt", case.get("question", case["prompt"])]
        args = [*CHAT, "--image", INPUTS / "landscape_baseline.jpg", *prompts,
                "--greedy", "--max-tokens", 32, "--compat", "reference"]
        turns = json.loads(run("chat", *args, "--json").stdout)["turns"]
        self.assertEqual([t["text"] for t in turns],
                         [c["text"] for c in wanted])
        self.assertEqual(turns[0]["prompt_tokens"], 23)
        self.assertGreater(turns[0]["seconds"], 0)
        self.assertEqual(run("chat", *args).stdout.decode(),
                         "".join(c["text"] + "\n" for c in wanted))

    def test_json_is_utf8_whatever_the_question(self):
        prompt = b"caf\xe9 \xed\xa0\x80 \xc3\xa9 \xf0\x9f\x90\xbc"
        result = subprocess.run(
            [PANDA, "chat", *map(str, DECODER), "--prompt", prompt, "--greedy",
             "--max-tokens", "2", "--json"], capture_output=True, check=True)
        turn = json.loads(result.stdout.decode())["turns"][0]
        self.assertEqual(turn["prompt"],
                         "caf\ufffd \ufffd\ufffd\ufffd \u00e9 \U0001f43c")

    def test_sampling_options(self):
        def ask(*options):
            result = run("chat", *DECODER, "--prompt", "Hello", "--max-tokens",
                         12, "--json", *options)
            self.assertEqual(result.returncode, 0, result.stderr)
            return json.loads(result.stdout)["turns"][0]["tokens"]
        warm = ("--temperature", 2, "--top-p", 1)
        self.assertEqual(ask(*warm, "--seed", 1), ask(*warm, "--seed", 1))
        self.assertNotEqual(ask(*warm, "--seed", 1), ask(*warm, "--seed", 2))
        self.assertEqual(ask(*warm, "--top-k", 1), ask("--greedy"))

    def test_reference_needs_media(self):
        self.assert_one_line(run("chat", *CHAT, "--prompt", "Hello",
                                 "--compat", "reference"), "media")

    def test_questions_from_a_pipe(self):
        path = self.write("questions.txt", b"Hello\n\n/quit\nnever asked\n")
        with path.open() as stdin:
            result = run("chat", *DECODER, "--greedy", "--max-tokens", "4",
                         stdin=stdin)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(result.stdout.decode().splitlines()), 1)

    def test_a_failure_in_a_pipe_is_told_in_the_end(self):
        path = self.write("questions.txt", b"/image /no/such.png\nHello\n")
        with path.open() as stdin:
            result = run("chat", *CHAT, "--greedy", "--max-tokens", "4",
                         stdin=stdin)
        self.assert_one_line(result, "/no/such.png")
        self.assertTrue(result.stdout.strip())


class Other(Temporary):
    def test_tokenize(self):
        rows = json.loads((FIXTURES / "expected/tokenizer_llama.json")
                          .read_text())["rows"]
        for row in rows:
            if "\0" in row["text"]:
                continue
            path = self.write("text.txt", row["text"].encode())
            result = run("tokenize", *DECODER, "--file", path, "--bos",
                         "--parse-special", "--json")
            self.assertEqual(json.loads(result.stdout)["tokens"],
                             row["ids_with_bos"], row["text"])
        result = run("tokenize", "--decoder",
                     WEIGHTS / "vicuna_tiny/tokenizer.model", "--text", "</s>",
                     "--json")
        self.assertNotIn(2, json.loads(result.stdout)["tokens"])

    def test_tokenize_beside_weights_of_any_name(self):
        shutil.copy(WEIGHTS / "vicuna_tiny/tokenizer.model", self.folder)
        expected = run("tokenize", "--decoder", self.folder, "--text", "Hello")
        self.assertEqual(expected.returncode, 0, expected.stderr)
        for name in ("x", "x.pt", "a.bin", "model.safetensors.index.json"):
            self.write(name, b"x")
            result = subprocess.run(
                [PANDA, "tokenize", "--decoder", name, "--text", "Hello"],
                cwd=self.folder, capture_output=True, check=False)
            self.assertEqual(result.stdout, expected.stdout, result.stderr)

    def test_numbers_are_decimal(self):
        def count(*options):
            result = run("info", WEIGHTS / "vicuna_tiny", "--json", *options)
            self.assertEqual(result.returncode, 0, result.stderr)
            return json.loads(result.stdout)["cpu"]
        self.assertEqual(count("--threads", "010")["threads"], 10)
        self.assertEqual(count("--cpu-mask", "0x1")["used"], ["generic"])
        for value in ("", " 1", "+1", "-1", "1e3", "0x", "1.5", "one",
                      "99999999999999999999"):
            self.assert_one_line(
                run("chat", *DECODER, "--prompt", "x", "--seed", value),
                "--seed", "whole number", code=2)

    def test_model_files_are_told_by_content(self):
        parts = [part for path in (WEIGHTS / "vicuna_tiny",
                                   WEIGHTS / "pandagpt_tiny_delta.pt",
                                   WEIGHTS / "imagebind_tiny.pth")
                 for part in ("--model", path)]
        result = run("chat", "--imu", INPUTS / "imu.csv", *parts, "--prompt",
                     "x", "--greedy", "--max-tokens", 2)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assert_one_line(run("chat", "--model", "/no/file", "--prompt",
                                 "x"), "/no/file")
        self.assert_one_line(run("info", WEIGHTS / "vicuna_tiny",
                                 WEIGHTS / "gqa_tiny"),
                             "vicuna_tiny", "gqa_tiny", "decoder")
        self.assert_one_line(run("embed", *IMAGEBIND, "--model",
                                 WEIGHTS / "imagebind_tiny.pth", "--imu",
                                 INPUTS / "imu.csv"), "already")

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_lost_output_is_a_failure(self):
        for args in (["--version"], ["--help"],
                     ["embed", *IMAGEBIND, "--imu", INPUTS / "imu.csv"],
                     ["chat", *DECODER, "--prompt", "x", "--greedy"],
                     ["chat", *DECODER, "--prompt", "x", "--max-tokens", 2,
                      "--json"],
                     ["tokenize", *DECODER, "--text", "x"]):
            with open("/dev/full", "wb") as full:
                result = subprocess.run(
                    [PANDA, *map(str, args)], stdout=full, timeout=60,
                    stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                    check=False)
            result.stdout = b""
            with self.subTest(args=args):
                self.assert_one_line(result, "standard output")

    def test_info(self):
        result = run("info", WEIGHTS / "imagebind_tiny.pth",
                     WEIGHTS / "pandagpt_tiny_delta_plain.pt",
                     WEIGHTS / "vicuna_tiny", "--precision", "exact", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        info = json.loads(result.stdout)
        self.assertEqual(info["missing"], ["clip_vocab"])
        self.assertEqual(info["missing_to"],
                         {"embed": [], "embed_text": ["clip_vocab"],
                          "chat": [], "chat_media": []})
        parts = {part["name"]: part for part in info["details"]}
        self.assertEqual(parts["decoder"]["formats"], "f16")
        self.assertEqual(parts["LoRA"]["tensors"], 24)
        self.assertEqual(parts["vocabulary"]["format"], "SentencePiece")
        image = parts["image encoder"]
        self.assertEqual(image["path"], str(WEIGHTS / "imagebind_tiny.pth"))
        self.assertEqual(image["mapped_bytes"], image["file_bytes"])
        self.assertEqual(info["formats"], {"encoders": "f32",
                                           "decoder": "f16"})
        self.assertEqual(info["precision"], "exact")
        self.assertEqual(info["math"], {"encoders": "f32", "decoder": "f32"})
        self.assertEqual(info["decoder"]["hidden"], 32)
        self.assertEqual(info["lora"]["rank"], 4)
        self.assertEqual(info["encoders"]["imu"]["tokens"], 251)
        self.assertGreater(info["memory"]["mapped_bytes"], 10 ** 7)
        self.assert_one_line(run("info", INPUTS / "rgb.png"), "rgb.png")
        result = run("info", WEIGHTS / "vicuna_tiny", "--precision", "half")
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"--precision half: expected auto, exact, fast, small",
                      result.stderr)
        self.assertEqual(run("info", WEIGHTS / "imagebind_tiny.pth").returncode,
                         0)


if not (FIXTURES / "expected/manifest.json").is_file():
    print(f"SKIP: the reference fixtures are not there (no {FIXTURES})")
    sys.exit(77)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
unittest.main()
