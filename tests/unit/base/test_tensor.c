/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include <math.h>

#include "tensor/tensor.h"

/* Every half-precision number survives the way to single and back. */
START_TEST(f16_round_trip)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float f = pnd_f16_to_f32((uint16_t)h);
        if (isnan(f))
            continue;
        ck_assert_uint_eq(pnd_f32_to_f16(f), h);
    }
}
END_TEST

START_TEST(f16_rounds_to_nearest_even)
{
    static const struct { float f; uint16_t h; } cases[] = {
        {1.0f, 0x3c00},      {65504.0f, 0x7bff}, {65519.9f, 0x7bff},
        {65520.0f, 0x7c00},  {1e9f, 0x7c00},     {-1e9f, 0xfc00},
        {0x1p-24f, 0x0001},  {0x1p-25f, 0x0000}, {0x1.8p-25f, 0x0001},
        {1.00048828125f, 0x3c00}, {1.00146484375f, 0x3c02},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_uint_eq(pnd_f32_to_f16(cases[i].f), cases[i].h);
    ck_assert(isnan(pnd_f16_to_f32(pnd_f32_to_f16(NAN))));
}
END_TEST

START_TEST(shape_is_written_out)
{
    char text[32];
    pnd_shape_format(text, sizeof text, 3, (int64_t[]){64, -1, 2});
    ck_assert_str_eq(text, "[64, any, 2]");
    pnd_shape_format(text, sizeof text, 0, NULL);
    ck_assert_str_eq(text, "[]");
    pnd_shape_format(text, 6, 2, (int64_t[]){123456, 7});
    ck_assert_str_eq(text, "[1234");
}
END_TEST

START_TEST(unaligned_values_are_read)
{
    unsigned char bytes[9] = {0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40};
    struct pnd_tensor t = {.dtype = PND_F32, .rank = 1, .shape = {2},
                           .data = bytes + 1, .bytes = 8};
    float out[2];
    pnd_tensor_read_f32(&t, out);
    ck_assert_float_eq(out[0], 1.0f);
    ck_assert_float_eq(pnd_tensor_get_f32(&t, 1), 2.0f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tensor");
    TCase *tc = tcase_create("tensor");
    tcase_add_test(tc, f16_round_trip);
    tcase_add_test(tc, f16_rounds_to_nearest_even);
    tcase_add_test(tc, shape_is_written_out);
    tcase_add_test(tc, unaligned_values_are_read);
    suite_add_tcase(suite, tc);
    return test_run(suite);
}
