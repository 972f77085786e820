/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer_steps.h"

#include <string.h>

#include "format/utf8.h"
#include "text/normalize.h"

struct reader {
    struct pnd_bpe *out;
    const char *path;
    bool has_prepend, has_replace; /* normalizers */
    bool has_metaspace;
};

typedef panda_status (*step_fn)(struct reader *r,
                                const struct pnd_json_value *step);

/* A member of the type string; "" when it is none. */
static const char *get_string(const struct pnd_json_value *object,
                              const char *key)
{
    const struct pnd_json_value *value = pnd_json_find(object, key);
    return value && value->type == PND_JSON_STRING ? value->string : "";
}

static bool get_flag(const struct pnd_json_value *object, const char *key,
                     bool missing)
{
    const struct pnd_json_value *value = pnd_json_find(object, key);
    return value && value->type == PND_JSON_BOOL ? value->boolean : missing;
}

static panda_status fail_step(const struct reader *r, const char *what,
                              const struct pnd_json_value *step,
                              const char *detail)
{
    return pnd_fail(PANDA_E_UNSUPPORTED,
                    "%s: offset %zu: %s %s is not supported", r->path,
                    step->offset, what,
                    pnd_show(detail, strlen(detail)).text);
}

/* One step, or a "Sequence" of them in `list`. */
static panda_status read_steps(struct reader *r, const char *key,
                               const struct pnd_json_value *step,
                               const char *list, step_fn take)
{
    if (!step || step->type == PND_JSON_NULL)
        return PANDA_OK;
    if (strcmp(get_string(step, "type"), "Sequence") != 0)
        return take(r, step);
    const struct pnd_json_value *steps = pnd_json_find(step, list);
    if (!steps || steps->type != PND_JSON_ARRAY)
        return pnd_fail(PANDA_E_FORMAT,
                        "%s: offset %zu: the Sequence of \"%s\" has no list "
                        "\"%s\"", r->path, step->offset, key, list);
    panda_status status = PANDA_OK;
    for (step = steps->child; step && status >= 0; step = step->next)
        status = take(r, step);
    return status;
}

/* The text of a "pattern", of either kind. */
static const char *get_pattern(const struct pnd_json_value *step,
                               const char *kind)
{
    return get_string(pnd_json_find(step, "pattern"), kind);
}

static panda_status take_normalizer(struct reader *r,
                                    const struct pnd_json_value *step)
{
    const char *type = get_string(step, "type");
    enum pnd_normal_form form = pnd_normal_find_name(type, strlen(type));
    if (form != PND_NORMAL_NONE) { /* the last of several decides */
        r->out->form = form;
        return PANDA_OK;
    }
    if (strcmp(type, "Prepend") == 0 && !r->has_replace &&
        strcmp(get_string(step, "prepend"), PND_SPACE_SYMBOL) == 0) {
        r->has_prepend = true;
        return PANDA_OK;
    }
    if (strcmp(type, "Replace") == 0 &&
        strcmp(get_pattern(step, "String"), " ") == 0 &&
        strcmp(get_string(step, "content"), PND_SPACE_SYMBOL) == 0) {
        r->has_replace = true;
        return PANDA_OK;
    }
    return fail_step(r, "normalizer", step, type);
}

static panda_status add_rule(struct reader *r,
                             const struct pnd_json_value *step, int rule)
{
    struct pnd_splitter *s = &r->out->splitter;
    if (r->out->byte_level || r->has_metaspace)
        return fail_step(r, "a pre-tokenizer behind ByteLevel or Metaspace:",
                         step, get_string(step, "type"));
    if (s->count == PND_SPLIT_MAX)
        return fail_step(r, "pre-tokenizer: a list this long ending in", step,
                         get_string(step, "type"));
    s->rules[s->count++] = (uint8_t)rule;
    return PANDA_OK;
}

static panda_status take_split(struct reader *r,
                               const struct pnd_json_value *step)
{
    const char *pattern = get_pattern(step, "Regex");
    const char *behavior = get_string(step, "behavior");
    int rule = pnd_split_find_pattern(pattern);
    if (rule < 0)
        return fail_step(r, "the pattern", step,
                         *pattern ? pattern : get_pattern(step, "String"));
    /* Patterns that leave nothing between can also be said the other way. */
    bool covers = rule <= PND_SPLIT_TEKKEN;
    bool inverted = get_flag(step, "invert", false);
    bool isolated = strcmp(behavior, "Isolated") == 0;
    bool removed = strcmp(behavior, "Removed") == 0 && inverted && covers;
    if (!removed && (!isolated || (inverted && !covers)))
        return fail_step(r, "Split with behavior", step, behavior);
    return add_rule(r, step, rule);
}

static panda_status take_byte_level(struct reader *r,
                                    const struct pnd_json_value *step)
{
    panda_status status = PANDA_OK;
    if (get_flag(step, "add_prefix_space", true)) {
        if (r->out->splitter.count > 0)
            return fail_step(r, "ByteLevel behind others with", step,
                             "add_prefix_space");
        r->out->add_prefix_space = true;
    }
    if (get_flag(step, "use_regex", true))
        status = add_rule(r, step, PND_SPLIT_GPT2);
    r->out->byte_level = true;
    return status;
}

static panda_status take_metaspace(struct reader *r,
                                   const struct pnd_json_value *step)
{
    const char *scheme = get_string(step, "prepend_scheme");
    if (strcmp(get_string(step, "replacement"), PND_SPACE_SYMBOL) != 0)
        return fail_step(r, "Metaspace with replacement", step,
                         get_string(step, "replacement"));
    if (get_flag(step, "split", true))
        return fail_step(r, "Metaspace with", step, "split");
    if (strcmp(scheme, "first") == 0)
        r->out->prefix = PND_BPE_PREFIX_FIRST;
    else if (strcmp(scheme, "always") == 0)
        r->out->prefix = PND_BPE_PREFIX_MISSING;
    else if (strcmp(scheme, "never") != 0)
        return fail_step(r, "Metaspace with prepend_scheme", step, scheme);
    r->has_metaspace = true;
    return PANDA_OK;
}

static panda_status take_pre_tokenizer(struct reader *r,
                                       const struct pnd_json_value *step)
{
    const char *type = get_string(step, "type");
    if (strcmp(type, "Split") == 0)
        return take_split(r, step);
    if (strcmp(type, "Digits") == 0)
        return add_rule(r, step, get_flag(step, "individual_digits", false)
                                     ? PND_SPLIT_DIGIT
                                     : PND_SPLIT_DIGITS);
    if (strcmp(type, "ByteLevel") == 0)
        return take_byte_level(r, step);
    if (strcmp(type, "Metaspace") == 0)
        return take_metaspace(r, step);
    return fail_step(r, "pre-tokenizer", step, type);
}

panda_status pnd_tokenizer_steps_read(struct pnd_bpe *out,
                                      const struct pnd_json_value *root,
                                      const char *path)
{
    struct reader r = {.out = out, .path = path};
    panda_status status;
    PND_TRY(read_steps(&r, "normalizer", pnd_json_find(root, "normalizer"),
                       "normalizers", take_normalizer));
    PND_TRY(read_steps(&r, "pre_tokenizer",
                       pnd_json_find(root, "pre_tokenizer"), "pretokenizers",
                       take_pre_tokenizer));
    bool spaces = r.has_replace || r.has_metaspace;
    if (out->byte_level == spaces || (!spaces && r.has_prepend) ||
        (r.has_metaspace && r.has_prepend) ||
        (spaces && out->splitter.count > 0))
        PND_TRY(pnd_fail(PANDA_E_UNSUPPORTED,
                         "%s: the vocabulary spells neither bytes (ByteLevel) "
                         "nor text with U+2581 for spaces alone", path));
    if (r.has_prepend)
        out->prefix = PND_BPE_PREFIX_ALWAYS;
out:
    return status;
}
