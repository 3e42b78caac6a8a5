#!/usr/bin/env bash
# Prints the tables of docs/presets.md: what each choice of preset fast is worth.
#
#   docs/presets.sh RPG CNN RESNET DIGITS TEST > tables.md
#
# RPG is the binary; CNN, RESNET and DIGITS are the folders of the CNN(m), the
# ResNet-20 and the digits checkpoints, TEST the test images of the digits (.npz).
# Every row trains with the seeds 1, 2 and 3, generates four models from each
# and scores the twelve: on the 10,000 CIFAR-10 test images (rpg fetch cifar10),
# ResNet-20 on the first 3,000, digits on their test images.
set -euo pipefail
rpg=$1 cnn=$2 resnet=$3 digits=$4 test=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

number() { grep -o "\"$1\": *[0-9.e+-]*" | tail -n 1 | sed 's/.*: *//'; }

row() { # row NAME ZOO FLAG... ; $data are the images
  local name=$1 zoo=$2 plan seconds=() loss=0 all=()
  shift 2
  plan=$("$rpg" train "$zoo" --dry-run "$@" 2>/dev/null | sed -n 's/^work: .*, \([0-9.e+-]* [MGTPE]FLOP\) in all.*/\1/p')
  rm -rf "$work"/gen*
  for seed in 1 2 3; do
    rm -rf "$work/run"
    "$rpg" train "$zoo" -o "$work/run" --json --seed "$seed" "$@" >"$work/train" 2>/dev/null
    seconds+=("$(number seconds <"$work/train")")
    loss=$(printf %.2g "$(grep '"event":"step"' "$work/train" | number loss)")
    "$rpg" generate "$work/run" -n 4 --seed "$seed"00 -o "$work/gen$seed" -q --force >/dev/null
    all+=("$work/gen$seed")
  done
  "$rpg" evaluate "${all[@]}" --data $data --csv "$work/scores.csv" --force -q >/dev/null
  printf '| %s | %s | %.1f | %s | %s |\n' "$name" "$plan" "$(printf '%s\n' "${seconds[@]}" | sort -g | sed -n 2p)" "$loss" \
    "$(awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) if ($i == "top1") k = i; next}
        {seed = int((NR - 2) / 4); sum[seed] += $k / 4; if (low == "" || $k < low) low = $k}
        END {mean = (sum[0] + sum[1] + sum[2]) / 3; for (s in sum) v += (sum[s] - mean) ^ 2 / 2
             printf "%.2f ± %.2f | %.2f", mean, sqrt(v), low}' "$work/scores.csv")"
}

head() {
  printf '| %s | work | seconds | last loss | top-1 %% | lowest |\n|---|---|---|---|---|---|\n' "$1"
}

data=cifar10
head 'CNN(m)'
row 'preset fast' "$cnn"
row 'positions of sines' "$cnn" --positions sines
row 'predicts v' "$cnn" --prediction v
row 'predicts eps' "$cnn" --prediction eps
row '100 steps' "$cnn" --steps 100
row '400 steps' "$cnn" --steps 400
row '1 model a step' "$cnn" --batch 1
row '8 models a step' "$cnn" --batch 8
row 'lr 0.001' "$cnn" --lr 0.001
row 'no average of the weights' "$cnn" --ema 0
row 'no residual' "$cnn" --residual false
row 'one recurrent layer' "$cnn" --layers 1
row 'recurrent width 128' "$cnn" --width 128
row 'denoiser width 256' "$cnn" --denoiser-width 256
row 'one block' "$cnn" --blocks 1
row 'tokens of 512' "$cnn" --token-dim 512
echo
head 'CNN(m), recurrent model'
for model in mamba2 lstm transformer none; do
  row "$model" "$cnn" --recurrent $model
done
for model in mamba2 lstm transformer none; do
  row "$model, positions of sines" "$cnn" --recurrent $model --positions sines
done
echo
data='cifar10 --subset 3000'
head 'ResNet-20'
row 'preset fast' "$resnet"
row 'positions of sines' "$resnet" --positions sines
echo
data="$test --preprocess values:8,1,1"
head 'digits, 200 seeds'
row 'preset fast' "$digits"
row '16 models a step, 1500 steps' "$digits" --batch 16 --steps 1500
