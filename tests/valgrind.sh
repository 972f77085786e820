#!/bin/sh
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
# Run test programs under valgrind's memcheck; takes long. Build first
# (tests/setup.sh). Arguments go to meson: test names, or --suite NAME.
#
# Valgrind knows no AVX-512, hence the mask; OpenBLAS would start threads of its
# own as it is loaded. Tests share one process, or nothing would be freed.
set -eu
cd "$(dirname "$0")/.."
export CK_FORK=no PANDA_TEST_CPU_MASK=0x3 PANDA_TEST_PROVIDERS=1
export OPENBLAS_NUM_THREADS=1
exec meson test -C build --no-suite slow --no-suite cli --no-suite examples \
  --no-suite lint --no-suite abi --no-suite headers --no-suite install -t 100 \
  --wrap 'valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible' \
  "$@"
