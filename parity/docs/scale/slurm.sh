#!/bin/bash
# A Slurm array: one job for each shard. What follows the script's name goes to parity report:
#
#   jobs=$(sbatch --parsable --array=1-8 slurm.sh --model-dir … --golden … --cases …)
#   sbatch --dependency=afterany:$jobs slurm-merge.sh
#
# A job that was killed goes on where it was with `scontrol requeue ${jobs}_3`. Later than Slurm
# remembers it, name the shard: sbatch --export=ALL,SHARD=3/8 slurm.sh … (the same options)
#SBATCH --job-name=parity
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=parity-%A_%a.log
set -eu

PARITY=${PARITY:-target/release/parity}
# A folder that all nodes see.
RUN=${RUN:-out/run}
# Without this, every shard takes all processors of its node.
export RAYON_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}

shard=${SHARD:-auto}
case $shard in
    auto) number=$SLURM_ARRAY_TASK_ID ;;
    *) number=${shard%/*} ;;
esac
status=0
"$PARITY" report --shard "$shard" --keep "$RUN/kept" --out "$RUN/shard-$number" --quiet "$@" || status=$?
# 2: a case failed. 4: no case fell to this shard. The merged report judges both.
case $status in 0 | 2 | 4) exit 0 ;; *) exit "$status" ;; esac
