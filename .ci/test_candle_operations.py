"""What the audit of candle's operations finds and what it does not."""

import tempfile
import unittest
from pathlib import Path

import candle_operations as audit


class Kernels(unittest.TestCase):
    def sources(self, name: str, text: str) -> audit.Sources:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        (Path(folder.name) / name).write_text(text)
        return audit.Sources(Path(folder.name), name.rpartition(".")[2])

    def test_cuda_has_what_its_macros_name(self):
        cuda = self.sources("a.cu", "UNARY_OP(float, uexp_f32, expg(x))\n")
        self.assertTrue(cuda.has("uexp_@", "f32"))
        self.assertFalse(cuda.has("uexp_@", "f64"))
        self.assertFalse(cuda.has("uex_@", "f32"))

    def test_metal_has_what_its_macros_put_together_and_no_float64(self):
        metal = self.sources(
            "a.metal", "init_unary_float(exp, uexp);\ninit_binary(badd);\ninit_affine(bf16, bfloat);\n"
        )
        for kernel in ("exp_@", "badd_@", "affine_@"):
            self.assertTrue(metal.has(kernel, "bf16"), kernel)
            self.assertFalse(metal.has(kernel, "f64"), kernel)
        self.assertFalse(metal.has("sin_@", "f32"))
        self.assertFalse(metal.has("affine_@", "f16"))

    def test_what_a_kernel_lacks_is_listed(self):
        cuda = self.sources("a.cu", "uexp_f32 uexp_bf16")
        metal = self.sources("a.metal", "init_unary_float(exp, uexp);")
        rows = {row[0]: row for row in audit.rows({"exp": {"generator"}}, cuda, metal)}
        _, dtypes, modules, on_cuda, on_metal = rows["exp"]
        self.assertEqual((dtypes, modules), (["f32", "bf16", "f16"], ["generator"]))
        self.assertEqual((on_cuda, on_metal), (["uexp_f16"], []))

    def test_the_networks_call_operations_that_were_looked_up(self):
        names = set(audit.KERNELS) | {"narrow"}
        calls = audit.used(names)
        self.assertIn("conv", calls["conv1d"])
        self.assertIn("qwen2", calls["softmax_last_dim"])
        self.assertNotIn("sampler", {module for modules in calls.values() for module in modules})


if __name__ == "__main__":
    unittest.main()
