#!/bin/sh
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
# Install what is missing, build, and run the quick test suites. What is
# skipped is listed by name at the end.
set -eu
cd "$(dirname "$0")/.."
sh tests/setup.sh "$@"
exec meson test -C build --no-suite slow --print-errorlogs
