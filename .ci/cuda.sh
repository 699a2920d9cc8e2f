#!/usr/bin/env bash
# Builds `parity` and `native` for CUDA on a machine that has neither CUDA nor a GPU: `make cuda`.
# NVIDIA's compiler and headers come from PyPI; at run time the programs look for the driver and
# for CUDA's libraries, and start without them too.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/.cache/cuda
python=${PYTHON:-python3}
# Hopper; 89 is Ada, 80 Ampere.
export CUDA_COMPUTE_CAP=${COMPUTE_CAP:-90}

# 13.0, not later: the kernels are PTX that the driver compiles, and one of the first drivers for
# CUDA 13 takes no newer PTX.
if [ ! -x "$work/venv/bin/python" ]; then
    mkdir -p "$work"
    "$python" -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --no-deps --no-compile --disable-pip-version-check \
        nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 \
        nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
fi
packages=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cuda=$packages/nvidia/cu13

# A toolkit as build scripts look for it. The runtime is linked statically, under the name of the
# dynamic one, so that the programs do not need it.
toolkit=$work/toolkit
rm -rf "$toolkit"
mkdir -p "$toolkit/bin" "$toolkit/lib64"
ln -s "$cuda/include" "$toolkit/include"
ln -s "$cuda/lib/libcudart_static.a" "$toolkit/lib64/libcudart.a"
# The kernels of GGUF files and of mixtures of experts take most of the time, and nothing here uses
# them: they are left empty.
cat > "$toolkit/bin/nvcc" <<WRAPPER
#!/bin/sh
out= source= before= compiles=
for argument; do
    [ "\$before" = -o ] && out=\$argument
    [ "\$argument" = -c ] && compiles=1
    case \$argument in *.cu) source=\$argument ;; esac
    before=\$argument
done
if [ -n "\$compiles" ]; then
    case \$source in
        *mmq_gguf/* | *moe/* | *mmvq_gguf.cu) exec cc -c -x c /dev/null -o "\$out" ;;
    esac
fi
exec "$cuda/bin/nvcc" "\$@"
WRAPPER
chmod +x "$toolkit/bin/nvcc"

# candle-core links CUDA's libraries, which are not here; with one word changed it loads them.
version=$(sed -n '/^name = "candle-core"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
cargo fetch --quiet --locked
source=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -maxdepth 2 -name "candle-core-$version" | head -1)
rm -rf "$work/candle-core"
cp -r "$source" "$work/candle-core"
sed -i.before 's/"dynamic-linking",/"dynamic-loading",/' "$work/candle-core/Cargo.toml"
if cmp -s "$work/candle-core/Cargo.toml" "$work/candle-core/Cargo.toml.before"; then
    echo "candle-core $version does not ask for cudarc's dynamic-linking any more: look at $0" >&2
    exit 1
fi

# The changed crate has no checksum, which would be written into Cargo.lock.
cp Cargo.lock "$work/Cargo.lock"
trap 'cp "$work/Cargo.lock" Cargo.lock' EXIT
export NVCC=$toolkit/bin/nvcc CUDARC_CUDA_VERSION=13000 LIBRARY_PATH=$toolkit/lib64
PATH=$toolkit/bin:$PATH cargo build --release --target-dir target/cuda \
    --package parity --bin parity --package native-cli --bin native \
    --features parity/cuda,native-cli/cuda \
    --config "patch.crates-io.candle-core.path=\"$work/candle-core\""
echo "target/cuda/release/parity and native: with --device cuda where there is a GPU"
