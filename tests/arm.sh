#!/bin/sh
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
# Build for 64-bit ARM, into build-arm/, and run the numeric suites in qemu, on
# processors with and without the extensions that kernels are for. Installs the
# compiler and qemu on a Debian-like system, where they are missing; libraries
# of the other architecture are only unpacked, into build-arm-libraries/.
# `sh tests/arm.sh kernels` runs nothing but the kernels' own tests.
set -eu
cd "$(dirname "$0")/.."
place=$PWD/build-arm-libraries

missing=""
for package in gcc-aarch64-linux-gnu qemu-user-static meson ninja-build \
  pkg-config; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
    grep -q "install ok installed" || missing="$missing $package"
done
if [ -n "$missing" ]; then
  echo "installing:$missing"
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  # Word splitting is meant: one word a package.
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq \
    --no-install-recommends $missing >/dev/null
fi

# apt-get for another architecture, with lists of its own: the machine's stay as
# they are.
apt() {
  apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
    -o Dir::State::lists="$place/lists" -o Dir::State::status="$place/status" \
    -o Dir::Cache="$place/cache" -o APT::Sandbox::User=root "$@"
}

if [ ! -f "$place/machine.ini" ]; then
  echo "unpacking libraries of arm64"
  mkdir -p "$place/lists/partial" "$place/cache/archives/partial" "$place/root"
  : >"$place/status"
  apt update
  (cd "$place" && rm -f ./*.deb && apt download check libsubunit0 \
    libsubunit-dev zlib1g zlib1g-dev libutf8proc2 libutf8proc-dev \
    libkissfft-float131 libkissfft-dev libpng16-16 libpng-dev)
  for package in "$place"/*.deb; do
    dpkg-deb -x "$package" "$place/root"
  done
  printf "[constants]\nlibraries = '%s'\n" "$place/root" >"$place/machine.ini"
fi
[ -f build-arm/build.ninja ] ||
  meson setup build-arm --cross-file "$place/machine.ini" \
    --cross-file tests/arm/aarch64.ini -Dwerror=true -Dtests=enabled >/dev/null
ninja -C build-arm --quiet

# Processor, what it has (PANDA_CPU_* bits), what of it may be used, and suite;
# the other arguments are its tests.
run() {
  export QEMU_CPU="$1" PANDA_TEST_CPU_DETECTED="$2" PANDA_TEST_CPU_MASK="$3"
  suite=$4
  shift 4
  echo "== $QEMU_CPU, cpu mask $PANDA_TEST_CPU_MASK, suite $suite"
  meson test -C build-arm --quiet --no-rebuild --print-errorlogs -t 10 \
    --suite "$suite" "$@"
}

# Every implementation that the processor has: all, those of a core with dot
# products only, and those of one without. An instruction that a processor has
# not kills the test.
run max 0x70001 0x70001 kernels
run cortex-a76 0x30001 0x30001 kernels
run cortex-a53 0x10001 0x10001 kernels
[ "${1-}" != kernels ] || exit 0

# The layers above: generic, and on each level of NEON.
for mask in 0x1 0x10001 0x30001 0x70001; do
  run max 0x70001 $mask unit attention linear_i8 linear_q8 rows projection llama
  run max 0x70001 $mask parity golden_embed golden_chat
done
run cortex-a53 0x10001 0x10001 parity golden_embed golden_chat
run max 0x70001 0x70001 unit linear session quantize quantized tower_run \
  encoder_api
run max 0x70001 0x70001 parity parity_encoder parity_decoder
