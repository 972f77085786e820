#!/bin/sh
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
# Run the numeric suites under every CPU mask, provider mask and thread count
# that makes a difference on this machine. Build first (tests/setup.sh).
set -eu
cd "$(dirname "$0")/.."

# PANDA_CPU_* bits from generic upwards; a mask beyond the machine's own sets is
# the machine's best.
for mask in 0x1 0x3 0x7 0xf 0x7ffffff; do
  for providers in 1 0xff; do
    for threads in 1 2 3; do
      echo "== cpu mask $mask, providers $providers, $threads threads"
      PANDA_TEST_CPU_MASK=$mask PANDA_TEST_PROVIDERS=$providers \
        PANDA_TEST_THREADS=$threads \
        meson test -C build --suite parity --suite unit --quiet \
        --print-errorlogs "$@"
    done
  done
done
