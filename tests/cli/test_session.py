#!/usr/bin/env python3
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""panda chat on a terminal, on the golden set.

usage: test_session.py PANDA [unittest arguments]
"""
import os
import pathlib
import pty
import select
import sys
import termios
import time
import unittest

PANDA = sys.argv.pop(1)
GOLDEN = pathlib.Path(os.environ.get("PANDA_TEST_GOLDEN", "tests/golden"))
MODEL = ["--imagebind", GOLDEN / "imagebind_tiny.pth",
         "--decoder", GOLDEN / "vicuna_tiny",
         "--adapter", GOLDEN / "pandagpt_tiny.pt"]
HAS_EDITOR = "libedit" in os.environ.get("PANDA_TEST_FEATURES", "").split()
INTERRUPT, END = b"\x03", b"\x04"


class Session(unittest.TestCase):
    def setUp(self):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "dumb"
            os.environ["LC_ALL"] = "C"  # text is UTF-8 all the same
            os.execv(PANDA, [PANDA, "chat", *map(str, MODEL), "--greedy",
                             "--max-tokens", "30000", "--context", "32768"])
        self.seen = ""
        self.addCleanup(os.close, self.terminal)

    def read(self, seconds=30):
        """Add what comes next; False: nothing will, or did in this time."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.terminal, 65536)
        except OSError:
            data = b""
        self.seen += data.decode(errors="replace")
        return data != b""

    def expect(self, part):
        while part not in self.seen:
            self.assertTrue(self.read(), f"no {part!r} in {self.seen!r}")
        self.seen = self.seen[self.seen.index(part) + len(part):]

    def expect_prompt(self):
        """What is typed before the line editor has the terminal is echoed
        twice, and Ctrl-D is not a key yet."""
        self.expect("> ")
        end = time.monotonic() + 30
        while HAS_EDITOR and time.monotonic() < end and (
                termios.tcgetattr(self.terminal)[3] & termios.ICANON):
            time.sleep(0.01)

    def type(self, keys):
        os.write(self.terminal, keys)

    def send(self, line):
        self.type((line + "\n").encode())

    def expect_end(self):
        while self.read():
            pass
        _, status = os.waitpid(self.pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)

    def test_attach_ask_interrupt_go_on_and_quit(self):
        self.expect_prompt()
        self.send(f"/imu {GOLDEN / 'inputs/movement.npy'}")
        self.expect("attached")
        self.expect_prompt()
        self.send("/audio /no/such.wav")
        self.expect("cannot be opened")
        self.expect_prompt()
        self.send("/dance")
        self.expect("/help")
        self.expect_prompt()
        self.send("What is this?")
        self.expect("What is this?\r\n")
        self.expect(" ")  # the answer's first words
        self.type(INTERRUPT)
        self.expect("cancelled")
        self.expect_prompt()
        self.send("/reset")
        self.expect_prompt()
        self.send("/quit")
        self.expect_end()

    def test_interrupt_while_the_terminal_takes_no_more(self):
        self.expect_prompt()
        self.send(f"/imu {GOLDEN / 'inputs/movement.npy'}")
        self.expect("attached")
        self.expect_prompt()
        self.send("What is this?")
        self.expect("What is this?\r\n")
        self.expect(" ")
        time.sleep(1)  # unread, the answer fills the terminal and waits
        self.type(INTERRUPT)
        self.expect("cancelled")
        self.send("/quit")
        self.expect_end()

    def test_interrupt_at_the_prompt_gives_a_new_one(self):
        self.expect_prompt()
        for _ in range(3):
            self.type(INTERRUPT)
            self.expect("\n")
            self.expect_prompt()
        self.type(b"half a line")
        self.expect("half a line")
        self.type(INTERRUPT)
        self.expect("\n")
        self.expect_prompt()
        self.send("/dance")  # nothing of the line is left
        self.expect("/dance: there is no such command")
        self.expect_prompt()
        self.type(END)
        self.expect_end()

    def test_any_letters_can_be_typed(self):
        self.expect_prompt()
        self.send("/image caf\u00e9 \u65e5\u672c \U0001f43c.png")
        self.expect("panda: caf\u00e9 \u65e5\u672c \U0001f43c.png: cannot be")
        self.expect_prompt()
        self.type(b"/image \xffz.png\n")  # not a letter: left out
        self.expect("panda: ")
        self.expect("z.png: cannot be")
        self.expect_prompt()
        self.send("/quit")
        self.expect_end()


unittest.main()
