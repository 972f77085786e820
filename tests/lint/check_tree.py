#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Rules of docs/conventions.md that a machine can check: layering of includes,
names, comments of public headers, licence lines, white space, sizes."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()

# Folders of lib/ from low to high; a file includes only from folders of a
# lower rank and its own.
RANKS = {"base": 0, "tensor": 1, "format": 2, "kernels": 2, "nn": 3,
         "encoder": 4, "projector": 4, "decoder": 4, "text": 4, "convert": 5,
         "api": 6}

# External libraries: each header belongs to one file.
EXTERNAL = {
    r"cblas\.h": "lib/kernels/providers/openblas.c",
    r"oneapi/dnnl/\w+\.h": "lib/kernels/providers/onednn.c",
    r"zlib\.h": "lib/format/gzip.c",
    r"nettle/\w+\.h": "lib/convert/hash.c",
    r"png\.h": "modalities/shared/decode_png.c",
    r"jpeglib\.h": "modalities/shared/decode_jpeg.c",
    r"sndfile\.h": "modalities/audio/decode_sndfile.c",
    r"kiss_fftr?\.h": "modalities/audio/fft.c",
    r"utf8proc\.h": "modalities/text/unicode.c",
    r"lib(av\w+|swscale)/\w+\.h": "modalities/video/decode_ffmpeg.c",
}

MAX_FILE_LINES = 1000
MAX_FUNCTION_LINES = 100
MAX_FILE_BYTES = 1 << 20

# Files that may be larger, and why.
LARGE_FILES = {
    "tests/golden/imagebind_tiny.pth":
        "a model's encoders are one file, and the reference's embeddings are "
        "of just these numbers",
}

problems = []


def complain(path, line, text):
    problems.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def tracked():
    output = subprocess.run(["git", "-C", ROOT, "ls-files", "-co",
                             "--exclude-standard", "-z"],
                            capture_output=True, text=True, check=False)
    if output.returncode == 0:
        names = [n for n in output.stdout.split("\0") if n]
        return [ROOT / n for n in names if (ROOT / n).is_file()]
    return [p for p in ROOT.rglob("*") if p.is_file()
            and not any(part.startswith((".", "build"))
                        for part in p.relative_to(ROOT).parts)]


def check_includes(path, text):
    where = path.relative_to(ROOT)
    parts = where.parts
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        kind, name = match.groups()
        for pattern, owner in EXTERNAL.items():
            if re.fullmatch(r"(.*/)?" + pattern, name) and kind == "<" \
                    and str(where) != owner and parts[0] != "tests":
                complain(path, number, f"<{name}> belongs to {owner}")
        target = name.split("/")[0]
        if parts[0] == "lib" and kind == '"' and "/" in name:
            own = RANKS[parts[1]]
            if target in RANKS and target != parts[1] and RANKS[target] >= own:
                complain(path, number, f"lib/{parts[1]} includes {name}: "
                         "only lower folders are allowed")
        if parts[0] == "modalities" and target in RANKS and kind == '"':
            complain(path, number, f"frontends use sys/frontend.h, not {name}")
        if parts[0] in ("bindings", "examples") and target in RANKS \
                and kind == '"':
            complain(path, number, f"programs use public headers, not {name}")


def check_public_header(path, text):
    for match in re.finditer(r"(/\*\*(?:(?!\*/).)*\*/\s*)?^PANDA_API[^;(]*?"
                             r"(\w+)\(", text, re.S | re.M):
        line = text.count("\n", 0, match.start(2)) + 1
        comment = match.group(1)
        if not match.group(2).startswith("panda_"):
            complain(path, line, f"{match.group(2)}: expected panda_ in front")
        if not comment:
            complain(path, line, f"{match.group(2)}: no comment")
        elif "@since" not in comment:
            complain(path, line, f"{match.group(2)}: no @since")
    for match in re.finditer(r"(/\*\*(?:(?!\*/).)*\*/)\s*typedef struct "
                             r"(panda_\w+) \2;", text, re.S):
        if "Thread safety:" not in re.sub(r"\s*\n \*\s*", " ", match.group(1)):
            line = text.count("\n", 0, match.start(2)) + 1
            complain(path, line, f"{match.group(2)}: no \"Thread safety:\"")
    for match in re.finditer(r"^#\s*define\s+(\w+)", text, re.M):
        if not match.group(1).startswith(("PANDA_", "PANDAGPT_")):
            complain(path, text.count("\n", 0, match.start()) + 1,
                     f"macro {match.group(1)}: expected PANDA_ in front")


def check_functions(path, lines):
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start > MAX_FUNCTION_LINES:
                complain(path, start, f"function of {number - start} lines, "
                         f"at most {MAX_FUNCTION_LINES}")
            start = None


def check_library_calls(path, text):
    code = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()),
                  text, flags=re.S)
    code = re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', code)
    pattern = (r"(?<![\w.>])(printf|fprintf|puts|perror|abort|exit|_exit|malloc|"
               r"calloc|realloc|strdup|setlocale|signal|system|strtok)\s*\(")
    for match in re.finditer(pattern, code):
        complain(path, code.count("\n", 0, match.start()) + 1,
                 f"{match.group(1)}: not in the library")
    if path.name != "alloc.c":
        for match in re.finditer(r"(?<![\w.>])free\s*\(", code):
            line = code.count("\n", 0, match.start()) + 1
            if not re.search(r"void\s+free|\(\*free\)",
                             code.splitlines()[line - 1]):
                complain(path, line, "free: not in the library")


def check_text(path, text):
    lines = text.splitlines()
    if text and not text.endswith("\n"):
        complain(path, len(lines), "no line break at the end")
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            complain(path, number, "white space at the end of the line")
        if "\t" in line and path.suffix in (".c", ".h", ".py", ".build"):
            complain(path, number, "tab")
        if re.search(r"[\u200b-\u200f\u202a-\u202e\ufeff]", line):
            complain(path, number, "invisible character")
        if len(line) > 80 and path.suffix in (".c", ".h") \
                and "table" not in path.name and "clang-format off" not in line:
            complain(path, number, f"{len(line)} columns, at most 80")
    return lines


def check_source(path, text, lines):
    head = "\n".join(lines[:4])
    if "SPDX-License-Identifier: Apache-2.0" not in head \
            and not head.startswith("/* Generated"):
        complain(path, 1, "no SPDX lines")
    if path.suffix not in (".c", ".h"):
        return
    where = path.relative_to(ROOT)
    if len(lines) > MAX_FILE_LINES and "table" not in path.name:
        complain(path, 1, f"{len(lines)} lines, at most {MAX_FILE_LINES}")
    check_includes(path, text)
    check_functions(path, lines)
    if where.parts[0] in ("lib", "modalities"):
        check_library_calls(path, text)
    if where.parts[0] == "include":
        check_public_header(path, text)


def main():
    sources = (".c", ".h", ".py", ".build")
    for path in tracked():
        if path.stat().st_size > MAX_FILE_BYTES \
                and path.relative_to(ROOT).as_posix() not in LARGE_FILES:
            complain(path, 1, f"{path.stat().st_size} bytes, at most 1 MiB")
        is_text = path.suffix in sources + (".md", ".txt", ".in", ".hpp", ".rs") \
            or path.name in ("run", ".clang-format", ".gitignore")
        if not is_text or "corpus" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        lines = check_text(path, text)
        if path.suffix in sources:
            check_source(path, text, lines)
    print("\n".join(problems) or "the tree is clean")
    return 1 if problems else 0


sys.exit(main())
