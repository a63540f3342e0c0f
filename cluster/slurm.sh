#!/bin/bash
# The study on a SLURM cluster: `sbatch cluster/slurm.sh [PLAN]` from the project's folder, after `make install` there.
# Submit it again as often as you like: what is finished is kept, and workers may come and go.
#SBATCH --job-name=xrdscape
#SBATCH --nodes=1
#SBATCH --ntasks=32
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00

set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-$PWD}"
scheduler="$PWD/_build/campaign/scheduler-${SLURM_JOB_ID:-$$}.json"
mkdir -p "$(dirname "$scheduler")"
# Freed memory stays with the worker: every step asks for it again.
export MALLOC_TRIM_THRESHOLD_=1073741824 MALLOC_MMAP_THRESHOLD_=33554432 OMP_NUM_THREADS=1

.venv/bin/dask scheduler --scheduler-file "$scheduler" --no-dashboard &
srun .venv/bin/dask worker --scheduler-file "$scheduler" --nthreads 1 --memory-limit 0 --no-dashboard &
trap 'kill $(jobs -p) 2>/dev/null; rm -f "$scheduler"' EXIT
.venv/bin/xrdscape campaign "${1:-study}" --scheduler "$scheduler"
