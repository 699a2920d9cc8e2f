#!/usr/bin/env python3
"""Run the shards of a report as tasks of a Ray cluster, and merge them.

    python3 ray_shards.py --shards 8 --run out/run -- --model-dir … --golden … --cases …

What follows the two hyphens goes to `parity report`. The run's folder, the program and the model have
to be where all nodes see them. A task that dies with its node is started again, and goes on with the
cases that are kept; so does the whole, if it is run again.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import ray

#: Exit statuses with which a shard has done its work: parity, a case that failed, no case. The merged
#: report judges them.
DONE = (0, 2, 4)


def run_shard(index: int, args: argparse.Namespace) -> int:
    """Runs one shard. Returns its exit status."""
    command = [args.parity, "report", "--quiet", "--shard", f"{index}/{args.shards}"]
    command += ["--keep", str(args.run / "kept"), "--out", str(args.run / f"shard-{index}")]
    threads = {"RAYON_NUM_THREADS": str(args.cpus)}
    done = subprocess.run(command + args.options, env=os.environ | threads, check=False)
    if done.returncode not in DONE:
        raise RuntimeError(f"shard {index}: {' '.join(command)} ended with {done.returncode}")
    return done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shards", type=int, required=True, help="how many")
    parser.add_argument("--run", type=Path, default=Path("out/run"), help="folder of the run")
    parser.add_argument("--cpus", type=int, default=2, help="processors of a shard")
    parser.add_argument("--parity", default="target/release/parity", help="the program")
    parser.add_argument("--retries", type=int, default=3, help="how often a shard is started again")
    parser.add_argument("options", nargs="*", help="options of parity report, after --")
    args = parser.parse_args()
    # Tasks run in folders of their own.
    args.run, args.parity = args.run.resolve(), str(Path(args.parity).resolve())
    where = Path.cwd()

    ray.init(log_to_driver=True)
    task = ray.remote(num_cpus=args.cpus, max_retries=args.retries, retry_exceptions=True)

    @task
    def shard(index: int) -> int:
        os.chdir(where)
        return run_shard(index, args)

    numbers = range(1, args.shards + 1)
    waiting = {shard.remote(index): index for index in numbers}
    failed = []
    while waiting:
        (done, *_), _ = ray.wait(list(waiting), num_returns=1)
        index = waiting.pop(done)
        try:
            print(f"shard {index}/{args.shards}: exit status {ray.get(done)}", flush=True)
        except (ray.exceptions.RayError, RuntimeError) as error:
            failed.append(index)
            print(f"shard {index}/{args.shards} failed: {error}", file=sys.stderr, flush=True)
    if failed:
        print(f"shards {failed} failed; run this again to go on with them", file=sys.stderr)
        return 1
    shards = [str(args.run / f"shard-{index}") for index in numbers]
    merge = [args.parity, "merge", *shards, "--out", str(args.run / "report")]
    return subprocess.run(merge, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
