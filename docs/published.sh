#!/usr/bin/env bash
# Prints the table of docs/cuda.md with the forecasts for the published sizes. It needs
# no GPU, and the library of make cuda inside of RPG or in $RPG_CUDA_LIB.
#
#   docs/published.sh RPG > table.md
#
# Each zoo has as many models as a training step takes, with the weight shapes of a
# target and any numbers for weights. The largest needs 2 GB of disk and 4 GB of memory.
set -euo pipefail
rpg=$1
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

number() { grep -o "\"$1\": *[0-9.e+-]*" "$2" | tail -n 1 | sed 's/.*: *//'; }
gib() { awk -v x="$1" 'BEGIN { printf "%.1f GiB", x / 2^30 }'; }
tera() { awk -v x="$1" 'BEGIN { x /= 1e12; printf x < 100 ? "%.1f" : "%.0f", x }'; }
card() { # the smallest that holds so many bytes and CUDA itself
  awk -v x="$1" 'BEGIN { n = split("24 40 80", sizes); for (i = 1; i <= n; i++) if (x + 2^30 <= sizes[i] * 2^30) { print sizes[i] " GB"; exit } print "none" }'
}

go build -o "$work/zoo" ./fixtures/published/zoo
echo "| target | parameters | tokens | training, float32 | training, bf16 | sampling, bf16 | trains on, bf16 | TFLOP a step | of these done | TFLOP a sample | H100: training | a sample |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|"
for target in convnext-atto:4 vit-tiny:4 resnet-18:8 vit-small:4 resnet-50:8 vit-base:2 convnext-large:2; do
  "$work/zoo" -n "${target#*:}" -o "$work/models" "${target%:*}"
  for precision in f32 bf16; do
    "$rpg" train "$work/models" --device cuda --preset paper --precision $precision --dry-run --json -q >"$work/$precision"
    grep -q '"workspace": true' "$work/$precision" || { echo "published.sh: expected the CUDA engine in $rpg or in RPG_CUDA_LIB" >&2; exit 1; }
  done
  rm -rf "$work/models"
  plan=$work/bf16
  parameters=$(grep -A 6 '"zoo"' "$plan" | grep -o '"parameters": *[0-9]*' | sed 's/.*: *//')
  train=$(number device_bytes "$plan")
  done=$(tera "$(number step_done_flop "$plan")")
  again=$(number step_again_flop "$plan")
  if [ "$again" != 0 ]; then
    done="$done; $(tera "$(awk -v x="$(number step_done_flop "$plan")" -v y="$again" 'BEGIN { print x - y }')") with $(gib "$(number aside_bytes "$plan")") more"
  fi
  printf '| %s | %.1f million | %s | %s | %s | %s | %s | %s | %s | %s | %s h | %.1f s |\n' "${target%:*}" \
    "$(awk -v x="$parameters" 'BEGIN { print x / 1e6 }')" "$(number tokens "$plan")" \
    "$(gib "$(number device_bytes "$work/f32")")" "$(gib "$train")" "$(gib "$(number sample_bytes "$plan")")" "$(card "$train")" \
    "$(tera "$(number step_flop "$plan")")" "$done" "$(tera "$(number sample_flop "$plan")")" \
    "$(awk -v x="$(number train_s "$plan")" 'BEGIN { printf "%.1f", x / 3600 }')" "$(number sample_s "$plan")"
done
