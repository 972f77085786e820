# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Encoder rows: ImageBind-huge's towers with the same random weights and the
same preprocessed inputs on all sides. What ours takes includes the
preprocessing, which peers are given done."""
import ctypes
import dataclasses
import fnmatch
import gc

import numpy as np
import panda
import panda_encoder
import towers
from harness import measure_in_turn

CONTRACT = 0.999  # least cosine with exact products
FAST, SMALL = 2, 3


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    tower: str
    modality: str
    unit: str
    amount: int  # of these in a call
    inputs: int = 1


WORKS = (
    Work("image", "vision", "image", "images/s", 1),
    Work("image_8", "vision", "image", "images/s", 8, inputs=8),
    Work("video", "vision", "video", "clips/s", 15),
    Work("audio", "audio", "audio", "clips/s", 3),
    Work("depth", "depth", "depth", "maps/s", 1),
    Work("thermal", "thermal", "thermal", "pictures/s", 1),
    Work("imu", "imu", "imu", "recordings/s", 1),
    Work("text_64", "text", "text", "captions/s", 64, inputs=64))


def make_inputs(work):
    """Inputs of libpandagpt, and the arrays they point into."""
    random, raw = np.random.default_rng(3), panda_encoder.make_input
    made, arrays = [], []
    for _ in range(work.inputs):
        if work.modality == "video":
            array = random.integers(0, 256, (100, 224, 320, 3), np.uint8)
            fields = dict(width=320, height=224, channels=3, count=100,
                          rate=10, element=panda_encoder.U8)
        elif work.modality == "audio":
            array = random.integers(-9000, 9000, 160000, np.int16)
            fields = dict(count=160000, channels=1, rate=16000,
                          element=panda_encoder.I16)
        elif work.modality == "depth":
            array = random.integers(500, 9000, (224, 224), np.uint16)
            fields = dict(width=224, height=224, channels=1,
                          element=panda_encoder.U16)
        elif work.modality == "imu":
            array = random.standard_normal((2000, 6), np.float32)
            fields = dict(count=2000, channels=6, rate=200,
                          element=panda_encoder.F32)
        elif work.modality == "text":
            array = np.zeros(77, np.int32)  # as long as captions are
            length = int(random.integers(7, 16))
            array[:length] = random.integers(300, 49000, length)
            array[0], array[length] = 49406, 49407
            fields = dict(count=77, element=panda_encoder.I32)
        else:
            array = random.integers(0, 256, (224, 224, 3), np.uint8)
            fields = dict(width=224, height=224, channels=3,
                          element=panda_encoder.U8)
        made.append(raw(work.modality, array, **fields))
        arrays.append(array)
    return made, arrays


def make_peer_input(work, x):
    """What libpandagpt's frontend gave, as peers' towers take it."""
    if work.modality == "text":
        return x.astype(np.int64)
    if work.modality == "imu":  # windows of 8 samples
        return np.ascontiguousarray(
            x.reshape(len(x), 6, 250, 8).transpose(0, 2, 1, 3)
            .reshape(len(x), 250, 48))
    if work.tower == "vision":  # a picture is its own second frame
        x = np.repeat(x, 2, 2) if x.shape[2] == 1 else x
        return np.ascontiguousarray(x.reshape(len(x), 6, 224, 224))
    return x


def get_cosine(a, b):
    """The least of the rows."""
    return float(min((a * b).sum(1) / np.linalg.norm(a, axis=1)
                     / np.linalg.norm(b, axis=1)))


class Setting:
    """A tower of so many blocks, on all sides."""

    def __init__(self, args, tower, blocks, x):
        self.args, self.tower, self.blocks, self.x = args, tower, blocks, x
        self.file = args.folder / f"{tower.name}-{blocks}.safetensors"
        self.onnx = args.folder / f"{tower.name}-{blocks}.onnx"
        self.int8 = args.folder / f"{tower.name}-{blocks}-int8.onnx"

    def make_torch(self, bf16=False):
        import peer_torch
        weights = towers.make_weights(self.tower, self.blocks)
        return peer_torch.Model(self.tower, weights, self.blocks,
                                self.args.threads, bf16)

    def write_onnx(self):
        import peer_onnx
        if not self.onnx.exists():
            peer_onnx.write(self.onnx, self.tower,
                            towers.make_weights(self.tower, self.blocks),
                            self.blocks, self.x.shape[1:])

    def make_onnxruntime(self, int8=False):
        import peer_onnx
        import peer_onnxruntime
        self.write_onnx()
        if int8 and not self.int8.exists():
            peer_onnx.write_int8(self.int8, self.onnx)
        return peer_onnxruntime.Model(self.int8 if int8 else self.onnx,
                                      self.args.threads)

    def make_openvino(self, **how):
        import peer_openvino
        self.write_onnx()
        return peer_openvino.Model(self.onnx, self.args.threads, self.x.shape,
                                   **how)

    def remove(self):
        import peer_onnx
        self.file.unlink(missing_ok=True)
        peer_onnx.remove(self.onnx)
        peer_onnx.remove(self.int8)


PEERS = {
    "torch f32": lambda s: s.make_torch(),
    "torch bf16": lambda s: s.make_torch(bf16=True),
    "onnxruntime f32": lambda s: s.make_onnxruntime(),
    "onnxruntime int8": lambda s: s.make_onnxruntime(int8=True),
    "openvino f32": lambda s: s.make_openvino(),
    "openvino bf16": lambda s: s.make_openvino(precision="bf16"),
    "openvino int8 weights": lambda s: s.make_openvino(int8=True),
}


def has_bf16():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return "_bf16" in file.read()


def open_encoder(library, path, work, precision):
    model = library.open(imagebind=path, precision=precision,
                         modalities=panda_encoder.get_bit(work.modality))
    encoder = panda_encoder.Encoder(model)
    model.close()  # its session keeps it
    return encoder


def free_memory():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def compare(work, setting, ours, inputs, rounds):
    """By peer: whether it keeps the contract, and median seconds of it and of
    ours in all modes, measured together."""
    sides = {mode: lambda e=encoder: e.release(e.encode(inputs))
             for mode, encoder in ours.items()}
    exact = ours["f32"].read(inputs)
    found = {}
    for name, make in PEERS.items():
        if name.endswith("bf16") and not has_bf16():
            continue
        peer = make(setting)
        out = peer.run(setting.x)
        out = out.reshape(len(inputs), -1, out.shape[1]).mean(1)
        found[name] = (get_cosine(out, exact), measure_in_turn(
            {**sides, name: lambda: peer.run(setting.x)}, rounds))
        del peer
        free_memory()
    cosines = {mode: get_cosine(encoder.read(inputs), exact)
               for mode, encoder in ours.items()}
    return cosines, found


def report(table, work, name, cosines, found):
    """Exact products against those of f32 peers; then the fastest of each
    side that keeps the contract."""
    table.add_pairs(f"{name}, f32", work.unit, work.amount, {
        peer: (times["f32"], times[peer])
        for peer, (_, times) in found.items() if peer.endswith("f32")})
    modes = [mode for mode, cosine in cosines.items() if cosine >= CONTRACT]
    kept = {peer: times for peer, (cosine, times) in found.items()
            if cosine >= CONTRACT}
    best = min(modes, key=lambda mode: min(times[mode]
                                           for times in kept.values()))
    table.add_pairs(f"{name}, best ({best})", work.unit, work.amount, {
        peer: (times[best], times[peer]) for peer, times in kept.items()})
    notes = [f"ours {mode} {cosine:.6f}" for mode, cosine in cosines.items()]
    notes += [f"{peer} {cosine:.6f}" for peer, (cosine, _) in found.items()]
    table.note(f"{name}: cosines with ours f32: " + ", ".join(notes))


def measure_work(table, library, work, args):
    tower = towers.TOWERS[work.tower]
    blocks = min(tower.blocks, args.blocks or tower.blocks)
    inputs, arrays = make_inputs(work)
    setting = Setting(args, tower, blocks, None)
    if not setting.file.exists():
        towers.write_safetensors(setting.file,
                                 towers.make_weights(tower, blocks))
    ours = {}
    for precision in (panda.EXACT, FAST, SMALL):
        encoder = open_encoder(library, setting.file, work, precision)
        if encoder.math in ours:
            encoder.close()
        else:
            ours[encoder.math] = encoder
    setting.x = make_peer_input(work, ours["f32"].preprocess(inputs))
    name = work.name
    if blocks < tower.blocks:
        name += f" ({blocks} of {tower.blocks} blocks)"
    report(table, work, name, *compare(work, setting, ours, inputs,
                                       args.rounds))
    for encoder in ours.values():
        encoder.close()
    if not args.keep:
        setting.remove()
    del arrays


def get_versions():
    import peer_onnxruntime
    import peer_openvino
    import peer_torch
    return [peer.get_version()
            for peer in (peer_torch, peer_onnxruntime, peer_openvino)]


def measure(table, args):
    library = panda.Library(args.build / "lib" / "libpandagpt.so",
                            args.threads)
    for work in WORKS:
        if fnmatch.fnmatch(work.name, args.rows):
            measure_work(table, library, work, args)
    library.close()
