#!/bin/bash
# The last job of slurm.sh's array: joins the reports of all shards. If one is missing, it is named,
# nothing is written, and the exit status is 4.
#SBATCH --job-name=parity-merge
#SBATCH --output=parity-merge-%j.log
set -eu

PARITY=${PARITY:-target/release/parity}
RUN=${RUN:-out/run}
"$PARITY" merge "$RUN"/shard-* --out "$RUN/report"
