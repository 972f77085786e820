#!/bin/sh
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
# Run the numeric suites under every CPU mask that makes a difference, with one
# thread and with two. Build first (tests/setup.sh). Arguments go to meson.
set -eu
cd "$(dirname "$0")/.."

run() {
  echo "== cpu mask $PANDA_TEST_CPU_MASK, providers $PANDA_TEST_PROVIDERS," \
    "$PANDA_TEST_THREADS threads"
  meson test -C build --quiet --no-rebuild --print-errorlogs "$@"
}

# PANDA_CPU_* bits from generic upwards, and providers: OpenBLAS has work only
# where there are no wide registers. A mask beyond the machine's own sets is the
# machine's best. Whatever does not compute is left to one of the two. With 0x4
# oneDNN does all it can.
case $(uname -m) in
aarch64 | arm64) levels="0x10001,0xff 0x30001,0xff" ;;
*) levels="0x3,0xff 0x7,0xff 0xf,0xff 0x17,0xff 0x2f,0xff 0x57,0xff" ;;
esac
for masks in 0x1,1 0x1,0xff $levels 0x7ffffff,0xff 0x7ffffff,0x4; do
  export PANDA_TEST_CPU_MASK="${masks%,*}" PANDA_TEST_PROVIDERS="${masks#*,}"
  PANDA_TEST_THREADS=1 run --suite parity "$@"
  PANDA_TEST_THREADS=2 run --suite parity --suite kernels --suite unit "$@"
done
