/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "builder.h"

static struct pnd_arena arena;

static void setup(void)
{
    pnd_arena_init(&arena, &pnd_allocator_heap);
}

static void teardown(void)
{
    pnd_arena_free(&arena);
}

static panda_status run(struct pnd_pickle_value *out, const void *data,
                        size_t size)
{
    return pnd_pickle_run(out, &arena, data, size, "a.pth");
}

/* With the end of the string literal left out. */
#define RUN(out, text) run(out, text, sizeof text - 1)

static bool is_string(struct pnd_pickle_value v, const char *text)
{
    return v.kind == PND_PICKLE_STRING && v.string->length == strlen(text) &&
           memcmp(v.string->bytes, text, strlen(text)) == 0;
}

START_TEST(plain_values)
{
    struct pnd_pickle_value v;
    ck_assert_ok(RUN(&v, "\x80\x02N."));
    ck_assert_int_eq(v.kind, PND_PICKLE_NONE);
    ck_assert_ok(RUN(&v, "\x80\x02\x88."));
    ck_assert(v.kind == PND_PICKLE_BOOL && v.integer == 1);
    ck_assert_ok(RUN(&v, "\x80\x02\x89."));
    ck_assert(v.kind == PND_PICKLE_BOOL && v.integer == 0);
    ck_assert_ok(RUN(&v, "J\xfe\xff\xff\xff."));
    ck_assert(v.kind == PND_PICKLE_INTEGER && v.integer == -2);
    ck_assert_ok(RUN(&v, "K\xfe."));
    ck_assert(v.kind == PND_PICKLE_INTEGER && v.integer == 254);
    ck_assert_ok(RUN(&v, "M\xfe\xff."));
    ck_assert(v.kind == PND_PICKLE_INTEGER && v.integer == 65534);
    ck_assert_ok(RUN(&v, "\x8a\x05\x00\x00\x00\x00\x80."));
    ck_assert(v.integer == -549755813888);
    ck_assert_ok(RUN(&v, "\x8a\x01\xff."));
    ck_assert(v.integer == -1);
    ck_assert_ok(RUN(&v, "\x8a\x00."));
    ck_assert(v.integer == 0);
    ck_assert_ok(RUN(&v, "\x8b\x02\x00\x00\x00\x01\x02."));
    ck_assert(v.integer == 513);
    ck_assert_ok(RUN(&v, "\x8a\x09"
                         "123456789."));
    ck_assert_int_eq(v.kind, PND_PICKLE_OPAQUE);
    ck_assert_ok(RUN(&v, "G12345678."));
    ck_assert_int_eq(v.kind, PND_PICKLE_OPAQUE);
    ck_assert_ok(RUN(&v, "C\x02zz."));
    ck_assert_int_eq(v.kind, PND_PICKLE_OPAQUE);
    ck_assert_ok(RUN(&v, "B\x02\x00\x00\x00zz."));
    ck_assert_int_eq(v.kind, PND_PICKLE_OPAQUE);
}
END_TEST

START_TEST(strings_of_every_protocol)
{
    struct pnd_pickle_value v;
    ck_assert_ok(RUN(&v, "X\x02\x00\x00\x00zz."));
    ck_assert(is_string(v, "zz"));
    ck_assert_ok(RUN(&v, "\x8c\x02zz."));
    ck_assert(is_string(v, "zz"));
    ck_assert_ok(RUN(&v, "\x8d\x02\0\0\0\0\0\0\0zz."));
    ck_assert(is_string(v, "zz"));
    ck_assert_ok(RUN(&v, "U\x02zz."));
    ck_assert(is_string(v, "zz"));
    ck_assert_ok(RUN(&v, "T\x00\x00\x00\x00."));
    ck_assert(is_string(v, ""));
}
END_TEST

START_TEST(containers)
{
    struct pnd_pickle_value v;
    ck_assert_ok(RUN(&v, "(K\x01(K\x02K\x03tt."));
    ck_assert(v.kind == PND_PICKLE_TUPLE && v.items->count == 2);
    ck_assert(v.items->values[0].integer == 1);
    ck_assert_uint_eq(v.items->values[1].items->count, 2);
    ck_assert_ok(RUN(&v, "K\x01K\x02K\x03\x87."));
    ck_assert(v.items->count == 3 && v.items->values[2].integer == 3);
    ck_assert_ok(RUN(&v, "K\x01K\x02\x86\x85."));
    ck_assert(v.items->count == 1);
    ck_assert_ok(RUN(&v, ")."));
    ck_assert(v.kind == PND_PICKLE_TUPLE && v.items->count == 0);
    ck_assert_ok(RUN(&v, "]K\x01"
                         "a(K\x02K\x03"
                         "e."));
    ck_assert(v.kind == PND_PICKLE_LIST && v.items->count == 3);
    ck_assert(v.items->values[2].integer == 3);
    ck_assert_ok(RUN(&v, "(K\x01K\x02l."));
    ck_assert(v.kind == PND_PICKLE_LIST && v.items->count == 2);
    ck_assert_ok(RUN(&v, "}K\x01K\x02s(K\x03K\x04K\x05K\x06u."));
    ck_assert(v.kind == PND_PICKLE_DICT && v.items->count == 6);
    ck_assert(v.items->values[5].integer == 6);
    ck_assert_ok(RUN(&v, "(K\x01K\x02"
                         "d."));
    ck_assert(v.kind == PND_PICKLE_DICT && v.items->count == 2);
}
END_TEST

START_TEST(stack_and_memo)
{
    struct pnd_pickle_value v;
    ck_assert_ok(RUN(&v, "K\x07q\x00"
                         "0h\x00h\x00\x86."));
    ck_assert(v.items->count == 2 && v.items->values[1].integer == 7);
    ck_assert_ok(RUN(&v, "K\x07r\x03\x00\x00\x00"
                         "0j\x03\x00\x00\x00."));
    ck_assert(v.integer == 7);
    ck_assert_ok(RUN(&v, "\x80\x04\x95\x09\0\0\0\0\0\0\0K\x05\x94K\x06\x94"
                         "00h\x00h\x01\x86."));
    ck_assert(v.items->values[0].integer == 5);
    ck_assert(v.items->values[1].integer == 6);
    ck_assert_ok(RUN(&v, "K\x07"
                         "2\x86."));
    ck_assert(v.items->values[0].integer == 7);
    ck_assert_ok(RUN(&v, "K\x07(K\x01K\x02"
                         "1."));
    ck_assert(v.integer == 7);
    /* A dictionary in itself is a cycle, and nobody follows it. */
    ck_assert_ok(RUN(&v, "}q\x00K\x01h\x00s."));
    ck_assert_ptr_eq(v.items->values[1].items, v.items);
    ck_assert_ok(RUN(&v, "]q\x00h\x00"
                         "a."));
    ck_assert_ptr_eq(v.items->values[0].items, v.items);
}
END_TEST

START_TEST(calls_that_rebuild)
{
    struct pnd_pickle_value v;
    struct pnd_buffer p = build_buffer();
    struct pickle_tensor t = {"BFloat16", "17", 6, 2, 2, {2, 2}, {2, 1}};
    pickle_tensor(&p, &t);
    put_text(&p, ".");
    ck_assert_ok(run(&v, p.data, p.size));
    ck_assert_int_eq(v.kind, PND_PICKLE_TENSOR);
    ck_assert_int_eq(v.tensor->storage->dtype, PND_BF16);
    ck_assert(v.tensor->storage->count == 6 && v.tensor->offset == 2);
    ck_assert_mem_eq(v.tensor->storage->key->bytes, "17", 2);
    ck_assert_uint_eq(v.tensor->shape->count, 2);
    ck_assert(v.tensor->strides->values[0].integer == 2);
    pnd_buffer_free(&p);

    p = build_buffer();
    pickle_global(&p, "torch._utils", "_rebuild_parameter");
    put_text(&p, "(");
    pickle_tensor(&p, &t);
    put_text(&p, "\x88");
    pickle_global(&p, "collections", "OrderedDict");
    put_text(&p, ")RtR.");
    ck_assert_ok(run(&v, p.data, p.size));
    ck_assert_int_eq(v.kind, PND_PICKLE_TENSOR);
    pnd_buffer_free(&p);

    ck_assert_ok(RUN(&v, "\x8c\x0b"
                         "collections\x8c\x0bOrderedDict\x93)R"
                         "}K\x01K\x02sb."));
    ck_assert(v.kind == PND_PICKLE_DICT && v.items->count == 0);
}
END_TEST

static const struct {
    const char *bytes;
    size_t size;
    const char *message;
} wrong[] = {
#define CASE(bytes, message)                                                   \
  {                                                                            \
    bytes, sizeof bytes - 1, message                                           \
  }
    CASE("cos\nsystem\n(X\x04\0\0\0echotR.", "asks for os.system"),
    CASE("\x80\x04\x8c\x05posix\x8c\x06system\x93.", "asks for posix.system"),
    CASE("cbuiltins\neval\n.", "asks for builtins.eval"),
    CASE("ctorch\nFloatStorag\n.", "asks for torch.FloatStorag,"),
    CASE("ctorch\nFloatStorage\n)R.", "type of a storage is called"),
    CASE("c\x1b[31mx\ny\n.", "asks for ?[31mx.y"),
    CASE("ccollections\nOrderedDict\n(K\x01tR.", "called with arguments"),
    CASE("ctorch._utils\n_rebuild_tensor_v2\n)R.", "not rebuilt from"),
    CASE("ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x01))tR.",
         "not rebuilt from"),
    CASE("ctorch._utils\n_rebuild_parameter\n(K\x01tR.", "a parameter"),
    CASE("ctorch._utils\n_rebuild_parameter\n)R.", "a parameter"),
    CASE("K\x01)R.", "a call needs a function"),
    CASE("ccollections\nOrderedDict\n]R.", "a call needs a function"),
    CASE(")R.", "a call needs a function"),
    CASE("K\x01Q.", "a persistent id is no tuple"),
    CASE("Q.", "a persistent id is no tuple"),
    CASE(")Q.", "a persistent id is not"),
    CASE("(X\x07\0\0\0storageK\x01X\x01\0\0\0zX\x03\0\0\0cpuK\x01tQ.",
         "a persistent id is not"),
    CASE("(X\x07\0\0\0storagectorch\nIntStorage\nX\x01\0\0\0zX\x03\0\0\0cpu"
         "J\xff\xff\xff\xfftQ.",
         "a persistent id is not"),
    CASE("ccollections\nOrderedDict\n\x85\x86.", "byte 26: a tuple lacks"),
    CASE("\x85.", "a tuple lacks values"),
    CASE("(\x85.", "a tuple lacks values"),
    CASE("t.", "there is no mark"),
    CASE("l.", "there is no mark"),
    CASE("1.", "there is no mark"),
    CASE("e.", "there is no mark"),
    CASE("0.", "the stack is empty"),
    CASE("2.", "the stack is empty"),
    CASE("(2.", "the stack is empty"),
    CASE("K\x01(e.", "no list to append to"),
    CASE("(e.", "no list to append to"),
    CASE("}K\x01"
         "a.",
         "no list to append to"),
    CASE("K\x01"
         "a.",
         "a value is missing"),
    CASE("](K\x01u.", "no dictionary to put"),
    CASE("}(K\x01u.", "a key has no value"),
    CASE("(K\x01"
         "d.",
         "a key has no value"),
    CASE("}K\x01s.", "a value is missing"),
    CASE("K\x01K\x01K\x01s.", "no dictionary to put"),
    CASE("K\x01}b.", "attributes are set on"),
    CASE("}b.", "attributes are set on"),
    CASE("h\x00.", "never stored"),
    CASE("K\x01q\x05h\x04.", "never stored"),
    CASE("q\x00.", "cannot be stored"),
    CASE("(q\x00.", "cannot be stored"),
    CASE("K\x01r\xff\xff\xff\xff.", "cannot be stored"),
    CASE("K\x01K\x02.", "does not hold one value"),
    CASE("(.", "does not hold one value"),
    CASE(".", "does not hold one value"),
    CASE("\x80\x06N.", "the protocol is not one of"),
    CASE("\x80\x01N.", "the protocol is not one of"),
    CASE("cab\ncd", "cut off"),
    CASE("N", "byte 1: the pickle is cut off"),
    CASE("X\xff\xff\xff\xff"
         "a.",
         "cut off"),
    CASE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
         "a.",
         "cut off"),
    CASE("\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"
         "a.",
         "cut off"),
    CASE("\x8b\xff\xff\xff\xff"
         "a.",
         "cut off"),
    CASE("\x95\x00", "cut off"),
    CASE("K\x01K\x02\x93.", "not named by two strings"),
    CASE("\x82\x01.", "opcode 0x82"), /* EXT1 */
    CASE("(cos\nsystem\no.", "asks for os.system"),
    CASE("(ccollections\nOrderedDict\no.", "opcode 0x6f"), /* OBJ */
    CASE("(ios\nsystem\n.", "opcode 0x69"),                /* INST */
    CASE("\x81.", "opcode 0x81"),                          /* NEWOBJ */
    CASE("Pid\n.", "opcode 0x50"),                         /* PERSID */
    CASE("", "byte 0: the pickle is cut off"),
#undef CASE
};

START_TEST(wrong_pickles_are_refused)
{
    struct pnd_pickle_value v;
    ck_assert_fails(run(&v, wrong[_i].bytes, wrong[_i].size), PANDA_E_FORMAT,
                    wrong[_i].message);
    ck_assert_ptr_nonnull(strstr(pnd_error_get(), "a.pth: pickle, byte "));
}
END_TEST

/* The worst that one byte can ask for, and what grows by doubling. */
START_TEST(memory_is_bounded_by_the_size)
{
    static const struct {
        const char *bytes;
        size_t size;
    } loops[] = {
#define LOOP(bytes) {bytes, sizeof bytes - 1}
        LOOP("N"),          LOOP("}"),         LOOP(")"),
        LOOP("]"),          LOOP("("),         LOOP("2"),
        LOOP("}2"),         LOOP("N2\x86"),    LOOP("\x8c\x00"),
        LOOP("K\x01q\x00"), LOOP("h\x00\x85"), LOOP("h\x00h\x00s"),
#undef LOOP
    };
    const size_t size = 1 << 16;
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        const size_t step = loops[i].size;
        struct pnd_pickle_value v;
        char *data = malloc(size);
        ck_assert_ptr_nonnull(data);
        memcpy(data, "}q\x00", 3);
        for (size_t at = 3; at < size; at += step)
            memcpy(data + at, loops[i].bytes,
                   size - at < step ? size - at : step);
        struct pnd_arena own;
        pnd_arena_init(&own, &pnd_allocator_heap);
        ck_assert_int_eq(pnd_pickle_run(&v, &own, (uint8_t *)data, size, "p"),
                         PANDA_E_FORMAT);
        ck_assert_msg(own.total < 100 * size, "loop %zu took %zu bytes", i,
                      own.total);
        pnd_arena_free(&own);
        free(data);
    }
}
END_TEST

START_TEST(too_large_a_pickle_is_refused)
{
    struct pnd_pickle_value v;
    ck_assert_fails(run(&v, "N.", PND_PICKLE_MAX_SIZE + 1), PANDA_E_FORMAT,
                    "expected at most 16777216");
}
END_TEST

START_TEST(memory_failures_are_reported)
{
    /* Enough values for several blocks of the arena. */
    static char data[40000];
    memset(data, 'N', sizeof data);
    data[0] = '(';
    memcpy(data + sizeof data - 2, "t.", 2);
    panda_status status = PANDA_E_MEMORY;
    long n = 0;
    while (status < 0) {
        struct test_alloc t;
        struct pnd_arena own;
        struct pnd_pickle_value v;
        test_alloc_init(&t);
        t.fail_at = ++n;
        pnd_arena_init(&own, &t.alloc);
        status = pnd_pickle_run(&v, &own, (uint8_t *)data, sizeof data, "p");
        if (status < 0)
            ck_assert_int_eq(status, PANDA_E_MEMORY);
        pnd_arena_free(&own);
        ck_assert_int_eq(atomic_load(&t.live), 0);
    }
    ck_assert_int_gt(n, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pickle");
    TCase *tc = tcase_create("pickle");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, plain_values);
    tcase_add_test(tc, strings_of_every_protocol);
    tcase_add_test(tc, containers);
    tcase_add_test(tc, stack_and_memo);
    tcase_add_test(tc, calls_that_rebuild);
    tcase_add_loop_test(tc, wrong_pickles_are_refused, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_test(tc, memory_is_bounded_by_the_size);
    tcase_add_test(tc, too_large_a_pickle_is_refused);
    tcase_add_test(tc, memory_failures_are_reported);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
