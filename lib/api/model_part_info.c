/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "api/check.h"
#include "api/model_parts.h"
#include "api/options.h"

/* What each part of a model is made of, listed once when it has been opened:
 * the towers, projection, LoRA, decoder, its two tables, the vocabularies. */

enum slot {
    SLOT_PROJECTION = PND_TOWER_COUNT, /* below: the towers */
    SLOT_LORA,
    SLOT_DECODER,
    SLOT_EMBEDDING,
    SLOT_OUTPUT,
    SLOT_TOKENIZER,
    SLOT_CLIP_VOCAB,
    SLOTS,
    SLOT_NONE = SLOTS
};

struct pnd_part_list {
    panda_part_info parts[SLOTS]; /* the first `count` */
    uint32_t count;
    char names[PND_TOWER_COUNT][32];
    char formats[SLOTS][128];
};

/* Sums over the tensors of a part, by element type. */
struct tally {
    uint32_t tensors;
    const char *path;
    uint64_t file_bytes, mapped_bytes, heap_bytes;
    uint64_t matrix_bytes[PND_DTYPE_COUNT];
};

static bool begins_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Which tower "modality_trunks.vision...." is of, or SLOT_NONE. */
static int find_tower(const char *name)
{
    const char *dot = strchr(name, '.');
    for (int id = 0; dot && id < PND_TOWER_COUNT; id++) {
        const char *tower = pnd_tower_get_name((enum pnd_tower_id)id);
        const size_t length = strlen(tower);
        if (strncmp(dot + 1, tower, length) == 0 && dot[1 + length] == '.')
            return id;
    }
    return SLOT_NONE;
}

/* By its name, which is the same whatever the file: an encoder's, an adapter's,
 * a decoder's in either dialect. */
static int find_slot(const char *name)
{
    if (begins_with(name, "modality_"))
        return find_tower(name);
    if (begins_with(name, "llama_proj."))
        return SLOT_PROJECTION;
    if (strstr(name, ".lora_"))
        return SLOT_LORA;
    if (begins_with(name, "token_embd.") ||
        begins_with(name, "model.embed_tokens."))
        return SLOT_EMBEDDING;
    if (begins_with(name, "output.") || begins_with(name, "lm_head."))
        return SLOT_OUTPUT;
    return SLOT_DECODER;
}

static bool has_slot(const panda_model *model, int slot)
{
    if (slot < PND_TOWER_COUNT)
        return model->towers[slot] != NULL;
    if (slot == SLOT_PROJECTION)
        return model->projection != NULL;
    return slot == SLOT_LORA || (slot < SLOTS && model->llama);
}

static void count_tensors(struct tally *tallies, const panda_model *model,
                          const struct pnd_weights *weights)
{
    for (size_t i = 0; i < pnd_weights_get_count(weights); i++) {
        const struct pnd_tensor *t = pnd_weights_at(weights, i);
        const struct pnd_tensor_use use = pnd_weights_get_use(weights, i);
        const int slot = find_slot(t->name);
        /* An adapter alone has a LoRA that nobody has asked for yet. */
        const bool wanted =
            use.is_used || (slot == SLOT_LORA && !model->llama);
        if (!wanted || !has_slot(model, slot))
            continue;
        struct tally *tally = &tallies[slot];
        tally->tensors++;
        if (!tally->path)
            tally->path = use.path;
        tally->file_bytes += t->bytes;
        *(use.is_in_place ? &tally->mapped_bytes : &tally->heap_bytes) +=
            t->bytes;
        if (t->rank >= 2)
            tally->matrix_bytes[t->dtype] += t->bytes;
    }
}

/* "q4_0 + q6_K", the most bytes first; the first of them. */
static const char *list_formats(char *text, size_t size, struct tally *tally)
{
    const char *first = NULL;
    size_t used = 0;
    text[0] = '\0';
    for (;;) {
        int best = 0;
        for (int d = 1; d < PND_DTYPE_COUNT; d++) {
            if (tally->matrix_bytes[d] > tally->matrix_bytes[best])
                best = d;
        }
        if (tally->matrix_bytes[best] == 0)
            return first;
        const char *name = pnd_dtype_get_name((enum pnd_dtype)best);
        tally->matrix_bytes[best] = 0;
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s",
                                     first ? " + " : "", name);
        if (!first)
            first = name;
    }
}

static const struct {
    uint32_t part;
    const char *name;
} slots[SLOTS] = {
    [SLOT_PROJECTION] = {PANDA_PART_PROJECTOR, "projection"},
    [SLOT_LORA] = {PANDA_PART_LORA, "LoRA"},
    [SLOT_DECODER] = {PANDA_PART_DECODER, "decoder"},
    [SLOT_EMBEDDING] = {PANDA_PART_DECODER, "token embedding"},
    [SLOT_OUTPUT] = {PANDA_PART_DECODER, "output matrix"},
    [SLOT_TOKENIZER] = {PANDA_PART_TOKENIZER, "vocabulary"},
    [SLOT_CLIP_VOCAB] = {PANDA_PART_CLIP_VOCAB, "CLIP merges"},
};

static panda_modality get_first_modality(int tower)
{
    panda_modality m = 1;
    while (m < PANDA_MODALITY_COUNT - 1 &&
           (int)pnd_model_get_tower_id(m) != tower)
        m++;
    return m;
}

static void add_part(struct pnd_part_list *list, int slot, struct tally *tally)
{
    char *text = list->formats[slot];
    panda_part_info *info = &list->parts[list->count++];
    *info = (panda_part_info){.part = slots[slot].part,
                              .name = slots[slot].name,
                              .formats = text,
                              .path = tally->path,
                              .tensors = tally->tensors,
                              .file_bytes = tally->file_bytes,
                              .mapped_bytes = tally->mapped_bytes,
                              .heap_bytes = tally->heap_bytes};
    info->format = list_formats(text, sizeof list->formats[slot], tally);
    if (slot < PND_TOWER_COUNT) {
        info->part = PANDA_PART_ENCODERS;
        info->modality = get_first_modality(slot);
        snprintf(list->names[slot], sizeof list->names[slot], "%s encoder",
                 panda_modality_get_name(info->modality));
        info->name = list->names[slot];
    }
}

/* A vocabulary is one text; its format says of what kind. */
static void add_vocabulary(struct pnd_part_list *list, int slot,
                           struct pnd_tokenizer_source source,
                           uint64_t heap_bytes)
{
    struct tally tally = {.path = source.path,
                          .file_bytes = source.file_bytes,
                          .heap_bytes = heap_bytes};
    add_part(list, slot, &tally);
    panda_part_info *info = &list->parts[list->count - 1];
    info->format = info->formats = source.format;
}

static void add_vocabularies(struct pnd_part_list *list,
                             const panda_model *model)
{
    if (model->tokenizer) {
        struct pnd_tokenizer_source source =
            pnd_tokenizer_get_source(model->tokenizer);
        if (!source.path) /* the decoder's own */
            source.path = pnd_weights_get_path(
                model->decoder_weights ? model->decoder_weights
                                       : model->bundle);
        add_vocabulary(list, SLOT_TOKENIZER, source,
                       pnd_tokenizer_get_heap_bytes(model->tokenizer));
    }
    if (model->clip_merges) {
        struct pnd_tokenizer_source source = {model->clip_path, "BPE",
                                              model->clip_bytes};
        if (!source.path) {
            source.path = pnd_weights_get_path(model->bundle);
            source.file_bytes = model->clip_merges_size;
        }
        add_vocabulary(list, SLOT_CLIP_VOCAB, source, model->clip_merges_size);
    }
}

static void add_derived(struct tally *tallies, const panda_model *model)
{
    for (int id = 0; id < PND_TOWER_COUNT; id++) {
        if (model->towers[id])
            tallies[id].heap_bytes +=
                pnd_tower_get_dims(model->towers[id])->heap_bytes;
    }
    if (model->projection)
        tallies[SLOT_PROJECTION].heap_bytes +=
            pnd_projection_get_heap_bytes(model->projection);
    if (model->llama)
        tallies[SLOT_DECODER].heap_bytes +=
            pnd_llama_get_dims(model->llama)->heap_bytes;
}

panda_status pnd_model_list_parts(panda_model *model)
{
    struct tally tallies[SLOTS] = {0};
    const struct pnd_weights *files[] = {
        model->bundle, model->encoder_weights, model->decoder_weights,
        model->adapter_weights};
    struct pnd_part_list *list =
        pnd_alloc_zero(&model->context.alloc, sizeof *list);
    if (!list)
        return pnd_fail_memory();
    for (int i = 0; i < 4; i++) {
        if (files[i] && (i == 0 || files[i] != model->bundle))
            count_tensors(tallies, model, files[i]);
    }
    add_derived(tallies, model);
    for (int slot = 0; slot < SLOT_TOKENIZER; slot++) {
        if (tallies[slot].tensors > 0)
            add_part(list, slot, &tallies[slot]);
    }
    add_vocabularies(list, model);
    model->part_list = list;
    return PANDA_OK;
}

panda_status panda_model_get_part_info(const panda_model *model, uint32_t index,
                                       panda_part_info *out)
{
    PND_ENTER();
    PANDA_CHECK_POINTER(model);
    PANDA_CHECK_POINTER(out);
    const struct pnd_part_list *list = model->part_list;
    const panda_part_info none = {0};
    const bool ended = index >= list->count;
    panda_status status =
        pnd_info_write(out, ended ? &none : &list->parts[index], sizeof none,
                       "panda_part_info");
    return status == PANDA_OK && ended ? PANDA_END : status;
}
