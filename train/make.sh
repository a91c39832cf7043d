#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From nothing to models/base.net. Usage: sh train/make.sh PRETRAIN_DIR [RUN_DIR]. Can be stopped and started again.
set -eu
cd "$(dirname "$0")/.."
pretrain=$1 run=${2:-run/base}
[ -f "$run/float.pt" ] || python3 train/distill.py --pretrain "$pretrain" --out "$run"
python3 train/quantize.py --pretrain "$pretrain" --run "$run" --out models/base.net
