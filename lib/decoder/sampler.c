/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "decoder/sampler.h"

#include <math.h>

struct pnd_candidate {
    double weight; /* exp((logit - highest logit) / temperature) */
    float logit;
    int32_t id;
};

/* The candidates that were taken from the heap lie behind what is left of it,
 * the best one last: position i from the end is the i-th best. */
struct ranking {
    struct pnd_candidate *candidates;
    uint32_t count; /* of candidates */
    uint32_t left;  /* still in the heap */
};

panda_status pnd_sampler_init(struct pnd_sampler *s,
                              const struct pnd_allocator *alloc,
                              uint32_t vocab_size)
{
    *s = (struct pnd_sampler){.alloc = alloc, .vocab_size = vocab_size};
    s->candidates = pnd_alloc_array(alloc, vocab_size, sizeof *s->candidates);
    if (!s->candidates)
        return pnd_fail_memory();
    pnd_sampler_seed(s, 0);
    return PANDA_OK;
}

void pnd_sampler_free(struct pnd_sampler *s)
{
    if (s->candidates)
        pnd_free(s->alloc, s->candidates);
    s->candidates = NULL;
}

/* splitmix64 spreads the seed, so that near seeds give unlike streams and the
 * state is never all zero. */
void pnd_sampler_seed(struct pnd_sampler *s, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        s->state[i] = z ^ z >> 31;
    }
}

static uint64_t rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

/* xoshiro256** */
static uint64_t next_random(uint64_t s[4])
{
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* Uniform in [0, 1). */
static double next_uniform(uint64_t s[4])
{
    return (double)(next_random(s) >> 11) * 0x1p-53;
}

static panda_status fail_not_finite(uint32_t vocab_size)
{
    return pnd_fail(PANDA_E_INTERNAL, "none of the %u logits is finite",
                    vocab_size);
}

static panda_status choose_highest(const float *logits, uint32_t vocab_size,
                                   int32_t *token)
{
    int32_t best = -1;
    for (uint32_t i = 0; i < vocab_size; i++) {
        if (isfinite(logits[i]) && (best < 0 || logits[i] > logits[best]))
            best = (int32_t)i;
    }
    if (best < 0)
        return fail_not_finite(vocab_size);
    *token = best;
    return PANDA_OK;
}

/* Whether `a` comes before `b`: more likely, or as likely with a lower id. */
static bool precedes(const struct pnd_candidate *a,
                     const struct pnd_candidate *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

static void swap(struct pnd_candidate *a, struct pnd_candidate *b)
{
    struct pnd_candidate c = *a;
    *a = *b;
    *b = c;
}

static void sift_down(struct pnd_candidate *heap, uint32_t at, uint32_t count)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && precedes(&heap[child + 1], &heap[child]))
            child++;
        if (!precedes(&heap[child], &heap[at]))
            return;
        swap(&heap[at], &heap[child]);
        at = child;
    }
}

static void make_heap(struct ranking *r)
{
    for (uint32_t i = r->count / 2; i-- > 0;)
        sift_down(r->candidates, i, r->count);
}

/* The `rank`-th best; taken from the heap when that has not happened yet. */
static const struct pnd_candidate *get_ranked(struct ranking *r, uint32_t rank)
{
    while (r->count - r->left <= rank) {
        r->left--;
        swap(&r->candidates[0], &r->candidates[r->left]);
        sift_down(r->candidates, 0, r->left);
    }
    return &r->candidates[r->count - 1 - rank];
}

static uint32_t collect(struct pnd_candidate *candidates, const float *logits,
                        uint32_t vocab_size, double temperature)
{
    uint32_t count = 0;
    float highest = -INFINITY;
    for (uint32_t i = 0; i < vocab_size; i++) {
        if (!isfinite(logits[i]))
            continue;
        candidates[count].id = (int32_t)i;
        candidates[count++].logit = logits[i];
        if (logits[i] > highest)
            highest = logits[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        double below = (double)candidates[i].logit - (double)highest;
        candidates[i].weight = exp(below / temperature);
    }
    return count;
}

/* The k best, and all that are as likely as the k-th of them: what the
 * reference's `scores < kth` leaves. */
static uint32_t limit_top_k(struct ranking *r, uint32_t k)
{
    if (k == 0 || k >= r->count)
        return r->count;
    float last = get_ranked(r, k - 1)->logit;
    while (k < r->count && get_ranked(r, k)->logit == last)
        k++;
    return k;
}

static double sum_weights(const struct pnd_candidate *candidates,
                          uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += candidates[i].weight;
    return sum;
}

/* Of the `kept` best, those before which less than top_p of the probability
 * lies. The reference removes, from the least likely on, what stays within
 * 1 - top_p; that is the same. */
static uint32_t limit_top_p(struct ranking *r, uint32_t kept, double top_p,
                            double total)
{
    double before = 0;
    for (uint32_t i = 0; i < kept; i++) {
        if (i > 0 && !(before < top_p * total))
            return i;
        before += get_ranked(r, i)->weight;
    }
    return kept;
}

/* One of `count` candidates, by weight. At least one has weight 1. */
static int32_t draw(uint64_t state[4], const struct pnd_candidate *candidates,
                    uint32_t count)
{
    double target = next_uniform(state) * sum_weights(candidates, count);
    double sum = 0;
    int32_t id = -1;
    for (uint32_t i = 0; i < count; i++) {
        if (!(candidates[i].weight > 0))
            continue;
        id = candidates[i].id;
        sum += candidates[i].weight;
        if (target < sum)
            break;
    }
    return id;
}

panda_status pnd_sampler_choose(struct pnd_sampler *s,
                                const struct pnd_sampling *how,
                                const float *logits, uint32_t vocab_size,
                                int32_t *token)
{
    if (how->greedy)
        return choose_highest(logits, vocab_size, token);
    if (vocab_size > s->vocab_size)
        return pnd_fail(PANDA_E_SHAPE, "%u logits, expected at most %u",
                        vocab_size, s->vocab_size);
    if (!(how->temperature > 0) || !(how->top_p > 0))
        return pnd_fail(PANDA_E_ARGUMENT,
                        "temperature %g and top_p %g, expected above 0",
                        (double)how->temperature, (double)how->top_p);
    struct ranking r = {.candidates = s->candidates};
    r.count = collect(r.candidates, logits, vocab_size,
                      (double)how->temperature);
    r.left = r.count;
    if (r.count == 0)
        return fail_not_finite(vocab_size);
    bool by_k = how->top_k > 0 && how->top_k < r.count;
    bool by_p = how->top_p < 1;
    uint32_t kept = r.count;
    if (by_k || by_p) {
        double total = sum_weights(r.candidates, r.count);
        make_heap(&r);
        if (by_k) {
            kept = limit_top_k(&r, how->top_k);
            total = sum_weights(r.candidates + r.count - kept, kept);
        }
        if (by_p)
            kept = limit_top_p(&r, kept, (double)how->top_p, total);
    }
    /* Of all candidates, or of the best, which lie at the end. */
    *token = draw(s->state, r.candidates + r.count - kept, kept);
    return PANDA_OK;
}
