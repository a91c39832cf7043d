#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From nothing to models/*.net. Usage: sh train/make.sh PRETRAIN_DIR [RUN_DIR]. Can be stopped and started again.
set -eu
cd "$(dirname "$0")/.."
pretrain=$1 run=${2:-run}
[ -f "$run/base.pt" ] && [ -f "$run/tiny.pt" ] || python3 train/distill.py --pretrain "$pretrain" --out "$run"
for size in base tiny; do
	[ -f "$run/$size-int8.pt" ] || python3 train/quantize.py --pretrain "$pretrain" --run "$run" --size $size --out models/$size.net
done
