# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""A question about a picture, from end to end: encode, project, read the
prompt, answer. Ours is given the picture's file and the question, peers the
preprocessed picture and the embeddings of the prompt's tokens."""
import statistics
import struct
import subprocess
import time
import zlib

import cost
import make_llama
import numpy as np
import panda
import panda_chat
import panda_encoder
import peer_llama
import peer_onnx
import peer_onnxruntime
import peer_openvino
import rows_encoder
import towers
from harness import measure_in_turn

QUESTION = "What is this?"
ANSWER = 64         # tokens
MOST_MEMORY = 6.5   # GiB
MOST_START = 1.5    # times what encoding and prefill take


def write_picture(path, pixels):
    """An RGB array as a PNG."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 1)),
                           (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + kind + data
                       + struct.pack(">I", zlib.crc32(kind + data)))


class Files:
    """Of the whole model: decoder and encoder for peers, a bundle for us."""

    def __init__(self, args):
        self.panda = args.build / "bindings" / "cli" / "panda"
        self.folder = args.folder
        self.tower = towers.TOWERS["vision"]
        self.blocks = min(args.blocks or 99, self.tower.blocks)
        self.layers = min(args.blocks or 99, make_llama.LAYERS)
        self.decoder = make_llama.get(args.folder, "q4_0", self.layers)
        name = f"vision-{self.blocks}"
        self.onnx = args.folder / f"{name}.onnx"
        self.int8 = args.folder / f"{name}-int8.onnx"
        self.bundle = args.folder / f"panda-{self.layers}.gguf"
        self.picture = args.folder / "picture.png"
        random = np.random.default_rng(5)
        self.projection = random.standard_normal(
            (make_llama.HIDDEN, towers.EMBEDDING), np.float32) * 0.02
        write_picture(self.picture, np.repeat(np.repeat(random.integers(
            0, 256, (48, 64, 3), np.uint8), 10, 0), 10, 1))
        if not self.bundle.exists():
            self.make_bundle()
        if not self.int8.exists():
            self.make_onnx()

    def make_bundle(self):
        vision = self.folder / "vision.safetensors"
        adapter = self.folder / "adapter.safetensors"
        towers.write_safetensors(
            vision, towers.make_weights(self.tower, self.blocks))
        towers.write_safetensors(adapter, {
            "llama_proj.weight": self.projection,
            "llama_proj.bias": np.zeros(make_llama.HIDDEN, np.float32)})
        subprocess.run([self.panda, "convert", "--imagebind", vision,
                        "--adapter", adapter, "--decoder", self.decoder,
                        "--encoder-format", "int8", "-o", self.bundle],
                       check=True, stdout=subprocess.DEVNULL)
        vision.unlink()
        adapter.unlink()

    def make_onnx(self):
        peer_onnx.write(self.onnx, self.tower,
                        towers.make_weights(self.tower, self.blocks),
                        self.blocks, (6, 224, 224))
        peer_onnx.write_int8(self.int8, self.onnx)

    def remove(self):
        for path in (self.decoder, self.bundle, self.picture):
            path.unlink(missing_ok=True)
        peer_onnx.remove(self.onnx)
        peer_onnx.remove(self.int8)


def run_program(files, args, count):
    """Seconds and peak memory (GiB) of a process that answers."""
    seconds, peak = cost.run(
        files.panda, "chat", "--model", files.bundle, "--image",
        files.picture, "--prompt", QUESTION, "--greedy", "--max-tokens", count,
        "--threads", args.threads)
    return seconds, peak / 1024


def preprocess(model, pixels):
    """[1, 6, 224, 224] of a picture that has this size already."""
    encoder = panda_encoder.Encoder(model)
    item = panda_encoder.make_input(
        "image", pixels, width=224, height=224, channels=3,
        element=panda_encoder.U8)
    x = encoder.preprocess([item])
    encoder.close()
    return rows_encoder.make_peer_input(rows_encoder.WORKS[0], x)


def answer_by(encoder, projection, session, x, prompt):
    """A pipeline of peers; `prompt` is [positions, hidden], with room for the
    picture's vector."""
    def work():
        embedding = encoder.run(x)[0]
        prompt[8] = projection @ (embedding / np.linalg.norm(embedding))
        session.reset()
        session.push_embeddings(prompt)
        for _ in range(ANSWER - 1):
            session.push([int(session.get_logits().argmax())])
        session.get_logits()
    return work


def measure_start(table, files, args):
    """The program against the library when all is loaded."""
    starts, peak = [], run_program(files, args, ANSWER)[1]
    library = panda.Library(args.build / "lib" / "libpandagpt.so",
                            args.threads)
    model = library.open(bundle=files.bundle)
    alone = []
    for _ in range(args.rounds):
        starts.append(run_program(files, args, 1)[0])
        panda_chat.answer(model, files.picture, QUESTION, 1)  # warm
        begin = time.perf_counter()
        panda_chat.answer(model, files.picture, QUESTION, 1)
        alone.append(time.perf_counter() - begin)
    table.add_limit("process start to first token, warm cache", "s",
                    statistics.median(starts), "encode and prefill alone",
                    statistics.median(alone), MOST_START)
    table.add_limit("peak resident memory", "GiB", peak, "at most",
                    MOST_MEMORY, 1)
    model.close()
    library.close()


def measure_answer(table, name, files, args):
    library = panda.Library(args.build / "lib" / "libpandagpt.so",
                            args.threads)
    model = library.open(bundle=files.bundle)
    turn = panda_chat.answer(model, files.picture, QUESTION, ANSWER)
    if turn.token_count != ANSWER:
        raise RuntimeError(f"the answer ended after {turn.token_count} tokens")
    random = np.random.default_rng(6)
    x = preprocess(model, random.integers(0, 256, (224, 224, 3), np.uint8))
    prompt = random.standard_normal(
        (turn.prompt_tokens, make_llama.HIDDEN), np.float32) * 0.02
    decoder = peer_llama.Model(files.decoder, args.threads)
    session = decoder.session(1024, peer_llama.F16)
    encoders = {"onnxruntime int8": peer_onnxruntime.Model(files.int8,
                                                           args.threads)}
    precision = "bf16" if rows_encoder.has_bf16() else "f32"
    encoders[f"openvino {precision}"] = peer_openvino.Model(
        files.onnx, args.threads, x.shape, precision=precision)
    sides = {"libpandagpt": lambda: panda_chat.answer(
        model, files.picture, QUESTION, ANSWER)}
    for peer, encoder in encoders.items():
        sides[f"{peer} + llama.cpp"] = answer_by(
            encoder, files.projection, session, x, prompt)
    table.add(f"{name} ({turn.prompt_tokens} positions, {ANSWER} tokens)",
              "answers/s", 1, measure_in_turn(sides, args.rounds))
    for thing in (session, decoder, model):
        thing.close()
    library.close()


def get_versions():
    return [peer.get_version() for peer in (peer_llama, peer_onnxruntime,
                                            peer_openvino)]


def measure(table, args):
    files = Files(args)
    name = "question about a picture, 7B Q4_0"
    if files.layers < make_llama.LAYERS:
        name += f" ({files.layers} layers of each)"
    measure_start(table, files, args)
    measure_answer(table, name, files, args)
    if not args.keep:
        files.remove()
