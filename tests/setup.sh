#!/bin/sh
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
# Install what the build needs on a Debian-like system, where it is missing,
# and build into build/. Arguments are passed on to meson.
set -eu
cd "$(dirname "$0")/.."

packages="build-essential meson ninja-build pkg-config python3 git
  libopenblas-dev libdnnl-dev zlib1g-dev nettle-dev libpng-dev libjpeg-dev libsndfile1-dev
  libkissfft-dev libutf8proc-dev libavformat-dev libavcodec-dev libswscale-dev
  libavutil-dev libedit-dev check"

missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
    grep -q "install ok installed" || missing="$missing $package"
done

if [ -n "$missing" ]; then
  echo "installing:$missing"
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -qq
  # Word splitting is meant: one word a package.
  # shellcheck disable=SC2086
  $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

if [ -f build/build.ninja ]; then
  [ $# -eq 0 ] || meson configure build "$@"
else
  output=$(meson setup build "$@") || {
    printf '%s\n' "$output"
    exit 1
  }
  printf '%s\n' "$output" | sed -n '/^  With/,/^$/p' # what was found
fi
ninja -C build --quiet
