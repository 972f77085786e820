#!/bin/sh
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
# Run clang-tidy, with the rules of .clang-tidy, over everything that is
# shipped. Arguments: source files instead of all.
set -eu
cd "$(dirname "$0")/.."

if [ ! -f build-tidy/compile_commands.json ]; then
  CC=clang meson setup build-tidy >/dev/null
fi
ninja -C build-tidy lib/libpandagpt.a >/dev/null # what is generated
if [ $# -eq 0 ]; then
  set -- $(git ls-files 'lib/*.c' 'modalities/*.c' 'bindings/*.c' \
    'examples/*.c' ':!lib/kernels/arm')
fi
# One file a process: clang-tidy 14 mistakes va_lists in all files but the first.
printf '%s\n' "$@" | xargs -n 1 -P "$(nproc)" clang-tidy -p build-tidy --quiet \
  2>/dev/null && echo "clang-tidy has nothing to say"
