#!/usr/bin/env python3
"""Which of candle's operations the networks use on a GPU, and whether its backends have them.

The list is made from the sources: every public method of candle's tensors that a network's module
calls, with the dtypes in which it does. For each, the kernels that it needs are looked up in the
sources of the version in Cargo.lock: CUDA's in candle-kernels, Metal's in candle-metal-kernels. An
operation that is not in the table below, or has no kernel, is an error.

    .ci/candle_operations.py            check
    .ci/candle_operations.py --table    print the table of parity/docs/devices.md
"""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "parity/docs/devices.md"
MODULES = ["llm", "flow", "vocoder", "ops"]

#: Where a module is not run on the device: the sampler and the harmonic source compute on the CPU,
#: and so do the kernels of this crate.
HOST = {
    "sampler", "softmax", "silence", "decode", "prompt", "config", "source", "speed", "bistream",
    "conv_kernel", "head", "row", "step", "simd", "math", "tests", "mod", "steps",
    "token_stream", "weight_norm",
}
#: Modules that compute in float64 where the device has it, and layers that they are made of.
FLOAT64, SHARED = {"f0", "stft"}, {"conv", "linear"}

#: Methods that only look at a tensor or make a view of it.
VIEWS = set(
    "dim dims device dtype shape elem_count id get narrow squeeze unsqueeze t transpose broadcast_as "
    "storage_and_layout".split()
)
#: Methods that carry data between the CPU and the device.
TRANSFERS = set("from_vec new arange to_device to_vec1 to_vec2 to_scalar".split())
#: Names that tensors share with other types.
OTHERS = set("apply clamp cmp extend floor forward max min powf recip step sum tanh add".split())

#: candle-nn's functions.
FUNCTIONS = "softmax_last_dim rms_norm rope rope_i leaky_relu".split()

#: The kernels behind a method, `@` standing for the dtype: CUDA's names, Metal's names.
UNARY = lambda name: ([f"u{name}_@"], [f"{name}_@"])
BINARY = lambda name: ([f"b{name}_@"], [f"b{name}_@"])
COPY = (["ucopy_@", "copy2d_@"], ["copy_@", "copy2d_@"])
KERNELS = {
    "abs": UNARY("abs"),
    "broadcast_add": BINARY("add"),
    "broadcast_div": BINARY("div"),
    "broadcast_mul": BINARY("mul"),
    "broadcast_sub": BINARY("sub"),
    "cat": COPY,
    "contiguous": COPY,
    "conv1d": (["im2col1d_@"], ["im2col1d_@"]),
    "cos": UNARY("cos"),
    "elu": (["uelu_@"], ["elu_@"]),
    "exp": UNARY("exp"),
    "flatten_all": COPY,
    "flip": (["is_i64_@"], ["is_i64_@"]),
    "gelu": UNARY("gelu"),
    "index_select": (["is_u32_@"], ["is_u32_@"]),
    "leaky_relu": (
        ["bmaximum_@", "bminimum_@", "affine_@"],
        ["bmaximum_@", "bminimum_@", "affine_@"],
    ),
    "matmul": ([], []),  # cuBLAS, and Metal's own matrix product
    "maximum": BINARY("maximum"),
    "mean_keepdim": (["fast_sum_@", "affine_@"], ["fast_sum_@", "affine_@"]),
    "minimum": BINARY("minimum"),
    "pad_with_zeros": COPY,
    "reshape": COPY,
    "rms_norm": (["rmsnorm_@"], ["rmsnorm_@"]),
    "rope": (["rope_@"], ["rope_@"]),
    "rope_i": (["rope_i_@"], ["rope_i_@"]),
    "silu": UNARY("silu"),
    "sin": UNARY("sin"),
    "slice_set": (["copy2d_@"], ["copy2d_@"]),
    "softmax_last_dim": (["softmax_@"], ["softmax_@"]),
    "sqr": UNARY("sqr"),
    "sqrt": UNARY("sqrt"),
    "stack": COPY,
    "sum_keepdim": (["fast_sum_@"], ["fast_sum_@"]),
    "to_dtype": (["cast_@_f32", "cast_f32_@"], ["cast_@_f32", "cast_f32_@"]),
    "zeros": ([], []),
    "zeros_like": ([], []),
}
#: Operators on tensors, which are no methods.
OPERATORS = {
    "tensor + tensor": (["badd_@"], ["badd_@"]),
    "tensor - tensor": (["bsub_@"], ["bsub_@"]),
    "tensor * tensor": (["bmul_@"], ["bmul_@"]),
    "tensor / tensor": (["bdiv_@"], ["bdiv_@"]),
    "tensor and number": (["affine_@"], ["affine_@"]),
}


def registry(crate: str) -> Path | None:
    """The sources of a crate, in the version of Cargo.lock."""
    lock = (ROOT / "Cargo.lock").read_text()
    version = re.search(rf'name = "{crate}"\nversion = "([^"]+)"', lock)
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    found = version and sorted(home.glob(f"registry/src/*/{crate}-{version[1]}"))
    return found[0] if found else None


def methods(core: Path) -> set:
    """The public methods of tensors, and candle-nn's functions."""
    names = set(FUNCTIONS)
    for file in ("tensor.rs", "tensor_cat.rs", "conv.rs"):
        text = (core / "src" / file).read_text()
        names |= set(re.findall(r"pub fn (\w+)", text))
        names |= set(re.findall(r"(?:unary_op|binary_op|broadcast_binary_op)!\((\w+)", text))
    return names


def used(names: set) -> dict:
    """Which methods the networks call on a device, by name, with the modules that do."""
    calls = {}
    for module in MODULES:
        for file in sorted((ROOT / "native/src" / module).rglob("*.rs")):
            if file.stem in HOST or any(part in HOST for part in file.relative_to(ROOT).parts):
                continue
            text = file.read_text().split("#[cfg(test)]")[0]
            text = re.sub(r"//.*", "", text)
            called = re.findall(r"(?:\.|Tensor::)(\w+)\(", text)
            called += re.findall(rf"\b({'|'.join(FUNCTIONS)})\(", text)
            # Rows of a table are picked by their ids.
            called += ["index_select"] * bool(re.search(r"\bEmbedding\b", text))
            for name in called:
                if name in names - OTHERS:
                    calls.setdefault(name, set()).add(file.stem)
    return calls


class Sources:
    """The kernels of a backend, by their names in its sources."""

    def __init__(self, folder: Path | None, suffix: str):
        files = sorted(folder.rglob(f"*.{suffix}")) if folder else []
        self.text = "\n".join(file.read_text() for file in files)
        self.metal = suffix == "metal"

    def has(self, kernel: str, dtype: str) -> bool:
        name = kernel.replace("@", dtype)
        if name in ("cast_f32_f32", "cast_f64_f64"):
            return True
        if not self.metal:
            return re.search(rf"\b{name}\b", self.text) is not None
        if dtype == "f64":
            return False
        # Metal's names are put together by macros: init_unary_float(exp, …), init_binary(badd).
        stem, _, _ = name.rpartition("_")
        macros = (
            rf"\b{name}\b",
            rf"init_unary_float\({stem},",
            rf"init_binary\({stem.removeprefix('b')}|init_binary\({stem}\b",
            rf"init_{stem}\({dtype},",
        )
        if name.startswith("cast_"):
            return re.search(rf"init_cast_all\({name.split('_')[1]},", self.text) is not None
        return any(re.search(macro, self.text) for macro in macros)


def rows(calls: dict, cuda: Sources, metal: Sources):
    """Operation, dtypes, modules, what CUDA lacks, what Metal lacks."""
    listed = {name: KERNELS[name] for name in sorted(calls) if name in KERNELS}
    for name, kernels in {**listed, **OPERATORS}.items():
        modules = calls.get(name, {"all"})
        # What F0 and STFT alone call is called in no other dtype, unless the device lacks float64.
        dtypes = ["f32", "bf16", "f16"] if modules - FLOAT64 else ["f32"]
        wide = bool(modules & (FLOAT64 | SHARED)) or name in OPERATORS
        on_cuda = dtypes + (["f64"] if wide else [])
        lacks = [
            [k.replace("@", d) for d in ds for k in names if not source.has(k, d)]
            for source, names, ds in ((cuda, kernels[0], on_cuda), (metal, kernels[1], dtypes))
        ]
        yield name, on_cuda, sorted(modules), *lacks


def main() -> None:
    core = registry("candle-core")
    if core is None:
        raise SystemExit("candle-core's sources are not in cargo's registry: run cargo fetch")
    calls = used(methods(core))
    known = set(KERNELS) | VIEWS | TRANSFERS
    if unknown := sorted(set(calls) - known):
        raise SystemExit(
            "operations that nobody has looked up: "
            + ", ".join(f"{n} (in {', '.join(sorted(calls[n]))})" for n in unknown)
            + ". Add them to .ci/candle_operations.py and parity/docs/devices.md"
        )
    folders = [registry("candle-kernels"), registry("candle-metal-kernels")]
    cuda, metal = Sources(folders[0], "cu"), Sources(folders[1], "metal")
    table = ["| operation | dtypes | used in | CUDA | Metal |", "|---|---|---|---|---|"]
    lacking = []
    for name, dtypes, modules, *lacks in rows(calls, cuda, metal):
        lacking += [f"{name}: {', '.join(lack)}" for lack in lacks if lack]
        cells = ["no " + ", ".join(lack) if lack else "yes" for lack in lacks]
        table.append(f"| `{name}` | {', '.join(dtypes)} | {', '.join(modules)} | {' | '.join(cells)} |")
    if "--table" in sys.argv:
        print("\n".join(table))
        return
    if not all(folders):
        print("SKIPPED: the sources of candle's kernels are not in cargo's registry (cargo fetch)")
        return
    if lacking:
        raise SystemExit("no kernel for " + "; ".join(lacking))
    if "\n".join(table) not in PAGE.read_text():
        raise SystemExit(f"{PAGE.relative_to(ROOT)} has another table: take that of --table")
    print(f"{len(table) - 2} operations, and a kernel on CUDA and Metal for each")


if __name__ == "__main__":
    main()
