#!/bin/sh
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
# Build into build-avx512/ and run the kernels' tests, and those of the layers
# above, with AVX-512 and VNNI on a processor that Bochs emulates: for machines
# that have neither. Installs what that takes on a Debian-like system, where it
# is missing; the Linux to boot is only unpacked, into build-avx512/machine/.
# `sh tests/avx512.sh kernels` runs the kernels' own tests, `... q8 rows` these.
set -eu
cd "$(dirname "$0")/.."
machine=$PWD/build-avx512/machine
kernels="bf16 blocks cpu format gemm i8 large norm q8 vector"
layers="attention linear linear_i8 linear_q8 rows"
# Word splitting is meant here and below: one word a name.
# shellcheck disable=SC2086
case "${*:-all}" in
all) set -- $kernels $layers ;;
kernels) set -- $kernels ;;
esac

missing=""
for package in build-essential meson ninja-build pkg-config check \
  busybox-static bochs bochsbios vgabios isolinux syslinux-common xorriso; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
    grep -q "install ok installed" || missing="$missing $package"
done
if [ -n "$missing" ]; then
  echo "installing:$missing"
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq \
    --no-install-recommends $missing >/dev/null
fi

[ -f build-avx512/build.ninja ] ||
  meson setup build-avx512 -Dauto_features=disabled -Dtests=enabled \
    -Dwerror=true >/dev/null
mkdir -p "$machine/iso"
if [ ! -s "$machine/iso/linux" ]; then
  echo "unpacking a Linux"
  linux=$(apt-cache depends linux-image-cloud-amd64 |
    sed -n 's/.*Depends: \(linux-image-[0-9]\)/\1/p' | head -n 1)
  (cd "$machine" && rm -f ./*.deb &&
    apt-get -qq -o APT::Sandbox::User=root download "$linux" &&
    dpkg-deb --fsys-tarfile ./*.deb |
    tar -x -O --wildcards './boot/vmlinuz-*' >iso/linux)
fi

# What the machine has in memory: a shell, the tests and their libraries. The
# kernels' tests go through all implementations by themselves; the layers above
# are run with VNNI and without (PANDA_CPU_* bits).
root=$machine/root
rm -rf "$root"
mkdir -p "$root/bin" "$root/dev" "$root/golden" "$root/proc" "$root/tests" \
  "$root/tmp"
cp tests/avx512/init "$root/init"
cp tests/golden/blocks.safetensors "$root/golden"
cp "$(command -v busybox)" "$root/bin"
for tool in sh mount stty grep cut sleep poweroff; do
  ln -s busybox "$root/bin/$tool"
done
chmod +x "$root/init"
for name in "$@"; do
  case " $kernels " in
  *" $name "*) folder=tests/kernels masks=0xf ;;
  *) folder=tests/unit/nn masks="0xf 0x7" ;;
  esac
  program=test_$name
  ninja -C build-avx512 --quiet "$folder/$program"
  strip -o "$root/tests/$program" "build-avx512/$folder/$program"
  ldd "build-avx512/$folder/$program" | grep -o '/[^ ]*' |
    while read -r library; do
      mkdir -p "$root${library%/*}"
      cp -L "$library" "$root$library"
    done
  for mask in $masks; do
    echo "$mask $program" >>"$root/jobs"
  done
done

cd "$machine"
(cd root && find . | busybox cpio -o -H newc 2>/dev/null) >iso/initrd
cp ../../tests/avx512/isolinux.cfg /usr/lib/ISOLINUX/isolinux.bin \
  /usr/lib/syslinux/modules/bios/ldlinux.c32 iso
xorriso -as mkisofs -quiet -o boot.iso -b isolinux.bin -c boot.cat \
  -no-emul-boot -boot-load-size 4 -boot-info-table iso 2>xorriso.log

# Debian's Bochs has its debugger built in, which waits for a word to begin. Its
# own exit status says nothing.
echo "booting; what the machine prints is in build-avx512/machine/serial.txt"
rm -f serial.txt
echo continue | timeout --foreground "${AVX512_LIMIT:-14400}" \
  bochs -f ../../tests/avx512/bochsrc >bochs.txt 2>&1 || true
[ -f serial.txt ] && sed -n '/^begin/,/^end/p' serial.txt
if ! grep -q '^end' serial.txt; then
  echo "the machine did not come to its end" >&2
  exit 1
fi
# Bochs 2.7 rounds ties to f16 away from zero, also in AVX2's instruction, which
# one test is about.
passed=$(awk '/^== /{known = other = 0}
  /:[FE]:/{if (/:floats_become_halves:/) known++; else other++}
  /^exit /{if ($2 == 0 || $2 == 1 && known && !other) passed++}
  END{print passed + 0}' serial.txt)
wanted=$(grep -c . root/jobs)
echo "$passed of $wanted runs passed, but for what Bochs rounds wrongly"
[ "$passed" = "$wanted" ]
