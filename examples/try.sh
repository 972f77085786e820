#!/bin/sh
# SPDX-FileCopyrightText: the libpandagpt authors
# SPDX-License-Identifier: Apache-2.0
# From a fresh clone to embeddings and answers: install what is missing, build,
# and run the programs on a picture, a sound, a film and more.
set -eu
cd "$(dirname "$0")/.."

# Print a command, then run it.
run() {
  printf '\n$ %s\n' "$1"
  eval "$1"
}

echo "Building; the first time takes a minute or two."
sh tests/setup.sh

# The commands below are as you would type them, once the programs are in the
# PATH and you are in the folder with the weights.
PATH=$PWD/build/bindings/cli:$PWD/build/examples:$PATH
cd tests/golden

film="video inputs/film.mp4"
panda embed --imagebind imagebind_tiny.pth --video inputs/film.mp4 \
  >/dev/null 2>&1 || film=""

cat <<'END'

The weights used here are tiny and RANDOM: files and steps are the real ones,
but numbers and words mean nothing.
END

echo
echo "1. Every kind of input becomes a vector of one space: 64 numbers here, 1024"
echo "   with ImageBind-huge, of which the first few are shown."
run "panda embed --imagebind imagebind_tiny.pth \\
    --image inputs/picture.jpg --audio inputs/speech.wav \\
    ${film:+--$film }--depth inputs/depth.png \\
    --thermal inputs/thermal.jpg --imu inputs/movement.npy |
    expand -t 9,30 | cut -c 1-76"
[ -n "$film" ] || echo "(No film: FFmpeg 5 was not found by the build.)"

echo
echo "2. So any two can be compared: the cosine of each pair."
run "compare_embeddings imagebind_tiny.pth - \\
    image inputs/picture.jpg audio inputs/speech.wav \\
    ${film:+$film }depth inputs/depth.png \\
    thermal inputs/thermal.jpg imu inputs/movement.npy"

model="--imagebind imagebind_tiny.pth --decoder vicuna_tiny \\
    --adapter pandagpt_tiny.pt"

echo
echo "3. A question about a picture."
run "panda chat $model \\
    --image inputs/picture.jpg --prompt 'What is in this picture?' \\
    --max-tokens 16"

echo
echo "4. A picture and a sound together, and two questions."
run "panda chat $model \\
    --image inputs/picture.jpg --audio inputs/speech.wav \\
    --prompt 'Do they fit together?' --prompt 'Why?' --max-tokens 16"

cat <<'END'

That was everything: decoding, preprocessing, encoders, projection, decoder.
For answers that mean something, put the published weights in place:

  imagebind_huge.pth   ImageBind (not for commercial use)
  vicuna-7b-v0         a folder: LLaMA-1 with the Vicuna v0 delta applied
  pytorch_model.pt     PandaGPT's delta for that size
  bpe_simple_vocab_16e6.txt.gz   only for --text: CLIP's merges

  build/bindings/cli/panda chat --imagebind imagebind_huge.pth \
    --decoder vicuna-7b-v0 --adapter pytorch_model.pt --image cat.jpg

README.md says where they come from; examples/*.c show the same in C.
END
