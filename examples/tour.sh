#!/usr/bin/env bash
# The whole path in a few minutes on a CPU: colour, make, fit, train, measure, replay. Usage: bash examples/tour.sh [folder]
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
out="${1:-tour}"
[ -x "$here/.venv/bin/gesso" ] && PATH="$here/.venv/bin:$PATH"
command -v gesso >/dev/null || { echo "gesso is not installed here: run make install first" >&2; exit 1; }
mkdir -p "$out"

step() { printf '\n\033[1m%s\033[0m\n' "$*"; "$@"; }

step gesso recipes
step gesso generate colorize --sketch "$here/examples/drawings/fox_reading.png" --seed 1 --out "$out/fox.png"
step gesso generate digits --label 7 --seed 3 --out "$out/seven.png"
step gesso fit style --content "$here/examples/drawings/little_house.png" --style "$out/fox.png" --num-steps 30 --out "$out/style"
step gesso train "$here/examples/my_recipe.py" --preset tiny --minutes 1 --out "$out/moon"
step gesso generate "$here/examples/my_recipe.py" --weights "$out/moon" --phase 0.3 --out "$out/moon.png"
step gesso replay "$out/fox.png" --out "$out/fox_again.png"
printf '\nLook into %s\n' "$out"
