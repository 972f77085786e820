/* SPDX-FileCopyrightText: the libpandagpt authors
 * SPDX-License-Identifier: Apache-2.0 */
#include "format/sort.h"

static void sift_down(const void **items, size_t root, size_t count,
                      pnd_compare_fn compare)
{
    const void *item = items[root];
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count)
            break;
        if (child + 1 < count && compare(items[child], items[child + 1]) < 0)
            child++;
        if (compare(item, items[child]) >= 0)
            break;
        items[root] = items[child];
        root = child;
    }
    items[root] = item;
}

void pnd_sort(const void **items, size_t count, pnd_compare_fn compare)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(items, i, count, compare);
    for (size_t end = count; end-- > 1;) {
        const void *largest = items[0];
        items[0] = items[end];
        items[end] = largest;
        sift_down(items, 0, end, compare);
    }
}

const void *pnd_sort_find_equal(const void *const *items, size_t count,
                                pnd_compare_fn compare)
{
    for (size_t i = 1; i < count; i++) {
        if (compare(items[i - 1], items[i]) == 0)
            return items[i - 1];
    }
    return NULL;
}
