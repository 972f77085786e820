#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/ as a newcomer runs them, on the golden set.

usage: test_examples.py PROGRAM...
PANDA_TEST_FEATURES names the optional libraries of the build (default: all).
"""
import json
import math
import os
import pathlib
import signal
import struct
import subprocess
import sys
import unittest

PROGRAMS = {pathlib.Path(p).name.split(".")[0]: p for p in sys.argv[1:]}
GOLDEN = pathlib.Path(os.environ.get("PANDA_TEST_GOLDEN", "tests/golden"))
INPUTS = GOLDEN / "inputs"
IMAGEBIND = GOLDEN / "imagebind_tiny.pth"
MODEL = [IMAGEBIND, GOLDEN / "vicuna_tiny", GOLDEN / "pandagpt_tiny.pt"]
FEATURES = os.environ.get("PANDA_TEST_FEATURES", "png jpeg sndfile").split()
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())


def needs(*features):
    missing = [f for f in features if f not in FEATURES]
    return unittest.skipIf(missing, f"built without {', '.join(missing)}")


def words(case):
    """The beginning of an answer, sure to be there in any mode."""
    turns = {c["name"]: c["turns"] for c in EXPECTED["cases"]}[case]
    return " ".join(turns[0]["text"].split()[:10])


class Examples(unittest.TestCase):
    def run_program(self, name, *args, code=0, stdin=b""):
        result = subprocess.run([PROGRAMS[name], *map(str, args)], input=stdin,
                                capture_output=True, timeout=60, check=False)
        self.assertEqual(result.returncode, code, result.stderr.decode())
        self.assertEqual(bool(result.stderr), code != 0, result.stderr)
        return (result.stderr if code else result.stdout).decode()

    def test_no_arguments_give_the_usage(self):
        for name in PROGRAMS:
            self.assertIn("usage: ", self.run_program(name, code=2))

    def test_a_missing_file_is_named(self):
        for name, args in (("compare_embeddings",
                            ["/no/file", "-", "imu", "a", "imu", "b"]),
                           ("custom_frontend", ["/no/file"]),
                           ("describe_image", ["/no/file", "a", "b", "c"]),
                           ("listen", ["/no/file", "a", "b"]),
                           ("stream_chat", ["/no/file", "a", "b"])):
            error = self.run_program(name, *args, code=1)
            self.assertIn("/no/file", error)
            self.assertEqual(len(error.splitlines()), 1, error)

    @needs("jpeg")
    def test_describe_image(self):
        out = self.run_program("describe_image", *MODEL,
                               INPUTS / "picture.jpg")
        self.assertTrue(out.startswith(words("image")), out)
        other = self.run_program("describe_image", *MODEL,
                                 INPUTS / "picture.jpg", "Why?")
        self.assertNotEqual(out, other)

    @needs("png")
    def test_compare_embeddings(self):
        rows = {r["file"]: r["scaled"] for r in EXPECTED["embeddings"]}
        a, b = rows["palette.png"], rows["movement.npy"]
        cosine = sum(x * y for x, y in zip(a, b)) / math.sqrt(
            sum(x * x for x in a) * sum(y * y for y in b))
        out = self.run_program(
            "compare_embeddings", IMAGEBIND, "-", "image",
            INPUTS / "palette.png", "imu", INPUTS / "movement.npy")
        table = [line.split(None, 3) for line in out.splitlines()]
        self.assertEqual([row[2:] for row in table], [
            ["image", str(INPUTS / "palette.png")],
            ["imu", str(INPUTS / "movement.npy")]])
        self.assertEqual(table[0][0], "1.000")
        self.assertAlmostEqual(float(table[0][1]), cosine, 2)

    def test_compare_embeddings_names_the_modalities(self):
        error = self.run_program("compare_embeddings", IMAGEBIND, "-", "smell",
                                 "x", "imu", INPUTS / "movement.npy", code=1)
        self.assertIn("smell", error)

    def test_listen(self):
        tone = [int(9000 * math.sin(i / 5)) for i in range(32000)]
        out = self.run_program("listen", *MODEL,
                               stdin=struct.pack("<32000h", *tone))
        self.assertGreater(len(out.split()), 5)
        error = self.run_program("listen", *MODEL, code=1)
        self.assertIn("samples", error)

    @needs("jpeg", "sndfile")
    def test_stream_chat(self):
        question = "What do you hear?\nThank you.\n".encode()
        out = self.run_program("stream_chat", *MODEL, "audio",
                               INPUTS / "speech.wav", stdin=question)
        self.assertTrue(out.startswith(words("audio")), out)
        both = self.run_program(
            "stream_chat", *MODEL, "audio", INPUTS / "speech.wav", "image",
            INPUTS / "picture.jpg", stdin=question)
        self.assertNotEqual(out, both)

    def test_interrupt_leaves_stream_chat_running(self):
        with subprocess.Popen(
                [PROGRAMS["stream_chat"], *map(str, MODEL), "imu",
                 INPUTS / "movement.npy"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE) as program:
            program.stdin.write(b"Tell me.\n")
            program.stdin.flush()
            self.assertTrue(program.stdout.read(1))
            program.send_signal(signal.SIGINT)
            rest, _ = program.communicate(b"Go on.\n", timeout=60)
            self.assertEqual(program.returncode, 0)
            self.assertGreater(rest.count(b"\n"), 1)

    def test_custom_frontend(self):
        self.assertIn("64 numbers",
                      self.run_program("custom_frontend", IMAGEBIND))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
