#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Install into a scratch folder; build programs against what pkg-config says.

usage: test_install.py MESON BUILD VERSION SONAME [C compiler [C++ compiler]]
"""
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

MESON, BUILD, VERSION, SONAME, *COMPILERS = sys.argv[1:]
SOURCE = pathlib.Path(__file__).resolve().parent / "program.c"
GOLDEN = pathlib.Path(os.environ.get("PANDA_TEST_GOLDEN", "tests/golden"))
INPUT = [GOLDEN / "imagebind_tiny.pth", GOLDEN / "inputs/movement.npy"]
LANGUAGES = list(zip(("c", "c++"), map(shlex.split, COMPILERS)))


def run(*command, **more):
    result = subprocess.run([str(c) for c in command], capture_output=True,
                            text=True, timeout=120, check=False, **more)
    if result.returncode != 0:
        raise AssertionError(f"{command}: {result.stdout}{result.stderr}")
    return result.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="panda-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        run(MESON, "install", "-C", BUILD, "--no-rebuild", "--quiet",
            "--destdir", cls.folder)
        cls.packages, = cls.folder.rglob("pandagpt.pc")
        cls.libraries = cls.packages.parent.parent
        prefix = cls.packages.read_text().split("prefix=")[1].split("\n")[0]
        cls.prefix = cls.folder / prefix.lstrip("/")

    def ask_pkg_config(self, *options):
        path = os.environ.get("PKG_CONFIG_PATH", "")
        return shlex.split(run(
            "pkg-config", f"--define-variable=prefix={self.prefix}", *options,
            "pandagpt", env={**os.environ, "PKG_CONFIG_PATH":
                             f"{self.packages.parent}:{path}"}))

    def build(self, language, compiler, flags):
        program = self.folder / f"program-{language}"
        run(*compiler, "-Wall", "-Wextra", "-Werror", "-x", language, SOURCE,
            "-x", "none", "-o", program, *flags)
        return program

    def test_version(self):
        self.assertEqual(self.ask_pkg_config("--modversion"), [VERSION])

    def test_shared(self):
        flags = self.ask_pkg_config("--cflags", "--libs")
        env = {**os.environ, "LD_LIBRARY_PATH": str(self.libraries)}
        for language, compiler in LANGUAGES:
            with self.subTest(language=language):
                program = self.build(language, compiler, flags)
                self.assertEqual(run(program, *INPUT, env=env).split(),
                                 [VERSION, "64"])
                self.assertIn(SONAME.encode(), program.read_bytes())

    def test_static(self):
        flags = self.ask_pkg_config("--static", "--cflags", "--libs")
        # Both libraries are there, and the linker would take the shared one.
        flags = ["-l:libpandagpt.a" if f == "-lpandagpt" else f for f in flags]
        for language, compiler in LANGUAGES:
            with self.subTest(language=language):
                program = self.build(language, compiler, flags)
                self.assertEqual(run(program, *INPUT).split(), [VERSION, "64"])
                self.assertNotIn(SONAME.encode(), program.read_bytes())

    def test_program(self):
        program, = self.folder.rglob("bin/panda")
        env = {**os.environ, "LD_LIBRARY_PATH": str(self.libraries)}
        self.assertEqual(run(program, "--version", env=env),
                         f"panda {VERSION}\n")


if not shutil.which("pkg-config"):
    print("SKIP: there is no pkg-config")
    sys.exit(77)
unittest.main(argv=sys.argv[:1])
