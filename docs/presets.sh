#!/usr/bin/env bash
# Prints the table of docs/presets.md: what each choice of preset fast is worth.
#
#   docs/presets.sh RPG ZOO_CNN ZOO_RESNET > table.md
#
# RPG is the binary; the zoos are the folders of the CNN(m) and the ResNet-20
# checkpoints. Every row trains, generates ten models and scores them on the
# 10,000 CIFAR-10 test images (rpg fetch cifar10). Seed 1 throughout.
set -euo pipefail
rpg=$1 cnn=$2 resnet=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

number() { grep -o "\"$1\": *[0-9.e+-]*" | tail -n 1 | sed 's/.*: *//'; }

row() { # row NAME ZOO FLAG...
  local name=$1 zoo=$2
  shift 2
  rm -rf "$work/run" "$work/gen"
  local plan train score
  plan=$("$rpg" train "$zoo" --dry-run "$@" 2>/dev/null | sed -n 's/^work: .*, \([0-9.]* [TGP]FLOP\) in all.*/\1/p')
  train=$("$rpg" train "$zoo" -o "$work/run" --json "$@" 2>/dev/null)
  "$rpg" generate "$work/run" -n 10 -o "$work/gen" -q >/dev/null
  score=$("$rpg" evaluate "$work/gen" --data cifar10 --json -q)
  printf '| %s | %s | %.0f | %s | %.2f ± %.2f |\n' "$name" "$plan" "$(number seconds <<<"$train")" \
    "$(grep '"event":"step"' <<<"$train" | number loss)" \
    "$(number mean <<<"$(grep -A2 '"top1": {' <<<"$score" | sed 's/"mean": \(.*\),/"mean": \1/' | awk '/mean/ {print "\"mean\": " $2*100}')")" \
    "$(awk '/"std"/ {print $2*100; exit}' <<<"$score")"
}

echo '| CNN(m) | work | seconds | last loss | top-1 % |'
echo '|---|---|---|---|---|'
row 'preset fast' "$cnn"
row 'predicts v' "$cnn" --prediction v
row 'predicts v, wider denoiser, 1500 steps' "$cnn" --prediction v --denoiser-width 512 --blocks 3 --steps 1500 --lr 0.001 --warmup 100 --ema 0.999
row 'predicts eps' "$cnn" --prediction eps
row '100 steps' "$cnn" --steps 100
row '200 steps' "$cnn" --steps 200
row '2 models a step' "$cnn" --batch 2
row 'lr 0.0005' "$cnn" --lr 0.0005
row 'no average of the weights' "$cnn" --ema 0
row 'no residual' "$cnn" --residual false
row 'one recurrent layer' "$cnn" --layers 1
row 'recurrent width 128' "$cnn" --width 128
row 'tokens of 512' "$cnn" --token-dim 512
row 'paper statistics' "$cnn" --stats paper
echo
echo '| ResNet-20 | work | seconds | last loss | top-1 % |'
echo '|---|---|---|---|---|'
row 'preset fast' "$resnet"
row '150 steps' "$resnet" --steps 150
row 'recurrent width 256' "$resnet" --width 256
row 'tokens of 512' "$resnet" --token-dim 512
row 'tokens of 2048' "$resnet" --token-dim 2048
