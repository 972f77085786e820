/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/pre_split.h"

#include <string.h>

/* Patterns by their exact text. */
static const struct {
    const char *pattern;
    int rule;
} patterns[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
     "\\s+(?!\\S)|\\s+", PND_SPLIT_GPT2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
     "\\s+(?!\\S)|\\s+", PND_SPLIT_GPT2},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
     "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|"
     "\\s+", PND_SPLIT_LLAMA3},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
     " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     PND_SPLIT_QWEN2},
    {"[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"
     "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"
     "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
     "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}|"
     " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     PND_SPLIT_TEKKEN},
    {"\\p{N}", PND_SPLIT_DIGIT},
    {"\\p{N}+", PND_SPLIT_DIGITS},
    {"[0-9][0-9][0-9]", PND_SPLIT_THREE_DIGITS},
    {"[\r\n]", PND_SPLIT_LINE_BREAK},
    {"[\\r\\n]", PND_SPLIT_LINE_BREAK},
    {"\\s+$", PND_SPLIT_END_SPACE},
    {"\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-"
     "ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\xe1\xbd\xbd""ᾀ-ᾴᾶ-ᾼ"
     "\xe1\xbe\xbe""ῂ-ῄῆ-ῌῐ-\xe1\xbf\x93""ῖ-\xe1\xbf\x9b""ῠ-Ῥῲ-ῴῶ-ῼℂ"
     "ℇℊ-ℓℕℙ-ℝℤ\xe2\x84\xa6""ℨ\xe2\x84\xaa""-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮ"
     "ⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+",
     PND_SPLIT_CASED},
    {"[一-龥ࠀ-一가-\xed\x9f\xbf]+", PND_SPLIT_ASIAN},
    {"\\s?[!-/:-~！-／：-～‘-‟　-。]+", PND_SPLIT_SIGNS},
    {"\\s?\\p{L}+", PND_SPLIT_LETTERS},
    {"\\s?\\p{P}+", PND_SPLIT_PUNCTUATION},
    {"[\\p{P}\\$\\+<=>\\^~\\|]+", PND_SPLIT_MARKUP},
};

int pnd_split_find_pattern(const char *pattern)
{
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        if (strcmp(pattern, patterns[i].pattern) == 0)
            return patterns[i].rule;
    }
    return -1;
}

#define RULES(...) {{__VA_ARGS__}, sizeof (uint8_t[]){__VA_ARGS__}}

static const struct {
    const char *names; /* each with a space around it, the usual one first */
    struct pnd_splitter splitter;
    bool ignore_merges;
    bool adds_bos; /* as llama.cpp does */
} known[] = {
    {" gpt-2 gpt2 phi-2 mpt olmo jais trillion ", RULES(PND_SPLIT_GPT2),
     false, false},
    {" smollm starcoder refact command-r codeshell exaone minerva-7b ",
     RULES(PND_SPLIT_DIGIT, PND_SPLIT_GPT2), false, false},
    {" llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral lfm2 ",
     RULES(PND_SPLIT_LLAMA3), true, true},
    {" dbrx smaug-bpe ", RULES(PND_SPLIT_LLAMA3), false, false},
    {" qwen2 deepseek-r1-qwen stablelm2 megrez ", RULES(PND_SPLIT_QWEN2),
     false, false},
    {" tekken ", RULES(PND_SPLIT_TEKKEN), true, true},
    {" deepseek-llm ",
     RULES(PND_SPLIT_LINE_BREAK, PND_SPLIT_CASED, PND_SPLIT_SIGNS,
           PND_SPLIT_END_SPACE, PND_SPLIT_ASIAN, PND_SPLIT_DIGITS), false,
     false},
    {" deepseek-coder ",
     RULES(PND_SPLIT_LINE_BREAK, PND_SPLIT_LETTERS, PND_SPLIT_PUNCTUATION,
           PND_SPLIT_ASIAN, PND_SPLIT_DIGIT), false, false},
    {" default ",
     RULES(PND_SPLIT_MARKUP, PND_SPLIT_GPT2, PND_SPLIT_DIGITS,
           PND_SPLIT_THREE_DIGITS), false, false},
};

/* Whether one of the names is `name`. */
static bool has_name(const char *names, const char *name, size_t length)
{
    while (*names == ' ' && names[1]) {
        names++;
        size_t next = strcspn(names, " ");
        if (next == length && memcmp(names, name, length) == 0)
            return true;
        names += next;
    }
    return false;
}

bool pnd_split_find_name(struct pnd_splitter *out, bool *ignore_merges,
                         bool *adds_bos, const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!has_name(known[i].names, name, length))
            continue;
        *out = known[i].splitter;
        *ignore_merges = known[i].ignore_merges;
        *adds_bos = known[i].adds_bos;
        return true;
    }
    return false;
}

const char *pnd_split_get_name(const struct pnd_splitter *s,
                               bool ignore_merges, size_t *length)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].ignore_merges != ignore_merges ||
            known[i].splitter.count != s->count ||
            memcmp(known[i].splitter.rules, s->rules, s->count) != 0)
            continue;
        *length = strcspn(known[i].names + 1, " ");
        return known[i].names + 1;
    }
    return NULL;
}
