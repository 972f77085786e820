# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
"""Twenty prompts of different kinds; the last ones have over 300 tokens."""
import pathlib

TEXT = pathlib.Path(__file__).with_name("text.txt").read_text(encoding="utf-8")

CHAT = ("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n")

PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a village by the sea, there lived a",
    "The three laws of thermodynamics say that",
    "Q: How many legs does a spider have?\nA:",
    "1, 1, 2, 3, 5, 8, 13,",
    CHAT.format("What is in a loaf of bread?"),
    CHAT.format("Write a haiku about pandas."),
    "def fibonacci(n):\n    \"\"\"The n-th Fibonacci number.\"\"\"\n",
    "#include <stdio.h>\n\nint main(void)\n{\n    for (int i = 0; i < 10;",
    "SELECT name, COUNT(*) FROM orders WHERE",
    "<html>\n<head>\n<title>My page</title>\n",
    "Москва — столица",
    "Привет! Как дела? Меня зовут",
    "中国的首都是",
    "今天天气很好，我们一起去",
    "🐼🎋 Pandas eat bamboo 🎍 and 🍎",
    "I ❤️ you 😀😀😀",
    TEXT[:1600],
    TEXT[4200:5900],
    CHAT.format("Tell in one sentence what this is about:\n" + TEXT[-1500:]),
]
