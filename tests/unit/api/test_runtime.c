/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <pandagpt/pandagpt.h>
#include <pandagpt/sys/frontend.h>

#include "support/support.h"

START_TEST(version_is_the_headers)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", PANDA_VERSION_MAJOR,
             PANDA_VERSION_MINOR, PANDA_VERSION_PATCH);
    ck_assert_str_eq(panda_version_get_string(), text);
    ck_assert_uint_eq(panda_version_get_api(), PANDA_API_VERSION);
}
END_TEST

START_TEST(status_values_are_pinned)
{
    static const struct {
        panda_status status;
        int value;
        const char *name;
    } rows[] = {
        {PANDA_OK, 0, "PANDA_OK"},
        {PANDA_END, 1, "PANDA_END"},
        {PANDA_AGAIN, 2, "PANDA_AGAIN"},
        {PANDA_E_ARGUMENT, -10, "PANDA_E_ARGUMENT"},
        {PANDA_E_SHAPE, -11, "PANDA_E_SHAPE"},
        {PANDA_E_STATE, -12, "PANDA_E_STATE"},
        {PANDA_E_UNSUPPORTED, -13, "PANDA_E_UNSUPPORTED"},
        {PANDA_E_MEMORY, -20, "PANDA_E_MEMORY"},
        {PANDA_E_CONTEXT_FULL, -21, "PANDA_E_CONTEXT_FULL"},
        {PANDA_E_IO, -30, "PANDA_E_IO"},
        {PANDA_E_FORMAT, -31, "PANDA_E_FORMAT"},
        {PANDA_E_VERSION, -32, "PANDA_E_VERSION"},
        {PANDA_E_CALLBACK, -40, "PANDA_E_CALLBACK"},
        {PANDA_E_CANCELLED, -41, "PANDA_E_CANCELLED"},
        {PANDA_E_INTERNAL, -90, "PANDA_E_INTERNAL"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(rows[i].status, rows[i].value);
        ck_assert_str_eq(panda_status_get_name(rows[i].status), rows[i].name);
    }
    ck_assert_str_eq(panda_status_get_name(-5), "PANDA_UNKNOWN");
}
END_TEST

START_TEST(runtime_reports_what_it_uses)
{
    panda_runtime *runtime;
    panda_runtime_options options;
    ck_assert_ok(panda_runtime_options_init(&options, sizeof options));
    ck_assert_uint_eq(options.api_version, PANDA_API_VERSION);
    options.threads = 3;
    options.cpu_mask = PANDA_CPU_GENERIC;
    options.provider_mask = PANDA_PROVIDER_NONE;
    ck_assert_ok(panda_runtime_create(&runtime, &options));
    panda_cpu_features features = {.struct_size = sizeof features};
    ck_assert_ok(panda_runtime_get_cpu_features(runtime, &features));
    ck_assert_uint_eq(features.threads, 3);
    ck_assert_uint_eq(features.used, PANDA_CPU_GENERIC);
    ck_assert_uint_eq(features.providers, PANDA_PROVIDER_NONE);
    ck_assert_uint_eq(features.f32_provider, PANDA_PROVIDER_NONE);
    ck_assert_uint_eq(features.int8_provider, PANDA_PROVIDER_NONE);
    ck_assert_uint_eq(features.provider_rows, 0);
    ck_assert(features.detected & PANDA_CPU_GENERIC);
    panda_runtime_destroy(runtime);
    panda_runtime_destroy(NULL);
}
END_TEST

/* Without own kernels to choose from a provider does all it can; where it is
 * not in the build, or may not be used, own kernels do. */
START_TEST(runtime_reports_who_multiplies)
{
    static const uint32_t masks[] = {PANDA_PROVIDER_OPENBLAS,
                                     PANDA_PROVIDER_ONEDNN};
    for (int i = 0; i < 2; i++) {
        panda_runtime *runtime;
        panda_cpu_features features = {.struct_size = sizeof features};
        panda_runtime_options options = {
            .struct_size = sizeof options, .api_version = PANDA_API_VERSION,
            .threads = 1, .provider_mask = masks[i],
            .flags = PANDA_RUNTIME_SET_BLAS_THREADS};
        ck_assert_ok(panda_runtime_create(&runtime, &options));
        ck_assert_ok(panda_runtime_get_cpu_features(runtime, &features));
        const bool is_used = features.providers & masks[i];
        const bool is_onednn = masks[i] == PANDA_PROVIDER_ONEDNN;
        /* By other instructions its int8 products are not exact. */
        const bool is_exact = features.detected & PANDA_CPU_AVX512_VNNI;
        ck_assert_uint_eq(features.f32_provider,
                          is_used ? masks[i] : PANDA_PROVIDER_NONE);
        ck_assert_uint_eq(features.int8_provider,
                          is_used && is_onednn && is_exact
                              ? masks[i]
                              : PANDA_PROVIDER_NONE);
        ck_assert_uint_eq(features.provider_rows, is_used && is_onednn);
        panda_runtime_destroy(runtime);
    }
}
END_TEST

static void *no_memory(size_t size, size_t alignment, void *user)
{
    (void)size;
    (void)alignment;
    (void)user;
    return NULL;
}

START_TEST(wrong_runtime_options_are_refused)
{
    panda_runtime *runtime = (panda_runtime *)1;
    panda_runtime_options options;
    panda_runtime_options_init(&options, sizeof options);
    ck_assert_fails(panda_runtime_create(NULL, NULL), PANDA_E_ARGUMENT, "out");
    options.api_version = PANDA_API_VERSION + 1;
    ck_assert_fails(panda_runtime_create(&runtime, &options), PANDA_E_VERSION,
                    "API version");
    ck_assert_ptr_null(runtime);
    options.api_version = 0;
    options.alloc = no_memory;
    ck_assert_fails(panda_runtime_create(&runtime, &options), PANDA_E_ARGUMENT,
                    "together");
    options.free = (panda_free_fn)0;
    options.alloc = NULL;
    options.threads = 1025;
    ck_assert_fails(panda_runtime_create(&runtime, &options), PANDA_E_ARGUMENT,
                    "1025");
    options.threads = 0;
    options.log_level = 9;
    ck_assert_fails(panda_runtime_create(&runtime, &options), PANDA_E_ARGUMENT,
                    "log_level");
    options.log_level = 0;
    options.flags = 0x80;
    ck_assert_fails(panda_runtime_create(&runtime, &options), PANDA_E_ARGUMENT,
                    "flags");
}
END_TEST

/* Every allocation of the constructor in turn. */
START_TEST(runtime_survives_lack_of_memory)
{
    struct test_alloc alloc;
    panda_status status = PANDA_E_MEMORY;
    for (long n = 1; status != PANDA_OK; n++) {
        panda_runtime *runtime;
        panda_runtime_options options;
        test_alloc_init(&alloc);
        alloc.fail_at = n;
        panda_runtime_options_init(&options, sizeof options);
        options.threads = 3;
        options.alloc = alloc.alloc.alloc;
        options.free = alloc.alloc.free;
        options.alloc_user = alloc.alloc.user;
        status = panda_runtime_create(&runtime, &options);
        if (status == PANDA_OK) {
            ck_assert_str_eq(panda_error_get_message(), "");
            panda_runtime_destroy(runtime);
        } else {
            ck_assert_int_eq(status, PANDA_E_MEMORY);
            ck_assert_str_ne(panda_error_get_message(), "");
        }
        ck_assert_int_eq(atomic_load(&alloc.live), 0);
        ck_assert_int_lt(n, 100);
    }
}
END_TEST

static panda_status describe_none(const void *state,
                                  const panda_frontend_host *host,
                                  const panda_input *input,
                                  panda_frontend_tensor *tensor)
{
    (void)state;
    (void)host;
    (void)input;
    (void)tensor;
    return PANDA_E_UNSUPPORTED;
}

static panda_status preprocess_none(const void *state,
                                    const panda_frontend_host *host,
                                    const panda_input *input,
                                    const panda_frontend_tensor *tensor,
                                    void *out)
{
    (void)state;
    (void)host;
    (void)input;
    (void)tensor;
    (void)out;
    return PANDA_E_UNSUPPORTED;
}

START_TEST(incomplete_frontends_are_refused)
{
    panda_runtime *runtime;
    ck_assert_ok(panda_runtime_create(&runtime, NULL));
    panda_frontend_ops ops = {.struct_size = sizeof ops,
                              .abi_version = PANDA_FRONTEND_ABI_VERSION + 1,
                              .name = "test",
                              .modality = PANDA_MODALITY_IMAGE};
    ck_assert_fails(panda_runtime_register_frontend(runtime, &ops),
                    PANDA_E_VERSION, "ABI version 2");
    ops.abi_version = PANDA_FRONTEND_ABI_VERSION;
    ck_assert_fails(panda_runtime_register_frontend(runtime, &ops),
                    PANDA_E_ARGUMENT, "describe");
    ops.describe = describe_none;
    ck_assert_fails(panda_runtime_register_frontend(runtime, &ops),
                    PANDA_E_ARGUMENT, "preprocess");
    ops.preprocess = preprocess_none;
    ops.modality = 99;
    ck_assert_fails(panda_runtime_register_frontend(runtime, &ops),
                    PANDA_E_ARGUMENT, "99");
    ops.modality = PANDA_MODALITY_IMAGE;
    ck_assert_ok(panda_runtime_register_frontend(runtime, &ops));
    panda_runtime_destroy(runtime);
}
END_TEST

START_TEST(modalities_have_names)
{
    for (panda_modality m = 1; m < PANDA_MODALITY_COUNT; m++) {
        panda_modality found;
        ck_assert_ok(panda_modality_find(&found, panda_modality_get_name(m)));
        ck_assert_int_eq(found, m);
    }
    panda_modality found = 3;
    ck_assert_fails(panda_modality_find(&found, "smell"), PANDA_E_ARGUMENT,
                    "smell");
    ck_assert_int_eq(found, 0);
    ck_assert_ptr_null(panda_modality_get_name(0));
    ck_assert_ptr_null(panda_modality_get_name(PANDA_MODALITY_COUNT));
    ck_assert_ptr_null(panda_modality_get_name(-1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("runtime");
    TCase *tc = tcase_create("runtime");
    tcase_add_test(tc, version_is_the_headers);
    tcase_add_test(tc, status_values_are_pinned);
    tcase_add_test(tc, runtime_reports_what_it_uses);
    tcase_add_test(tc, runtime_reports_who_multiplies);
    tcase_add_test(tc, wrong_runtime_options_are_refused);
    tcase_add_test(tc, runtime_survives_lack_of_memory);
    tcase_add_test(tc, incomplete_frontends_are_refused);
    tcase_add_test(tc, modalities_have_names);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
