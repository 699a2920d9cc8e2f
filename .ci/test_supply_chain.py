"""What supply_chain.py and sbom.py find, on planted faults and on this checkout."""

import copy
import tomllib
import unittest

import sbom
import supply_chain

CHECKSUM = "0" * 64


def package(name, kinds=("lib",), source=supply_chain.REGISTRY):
    return {"name": name, "source": source, "targets": [{"kind": [kind]} for kind in kinds]}


class SupplyChain(unittest.TestCase):
    def test_a_crate_from_elsewhere_or_without_checksum_is_found(self):
        lock = {
            "package": [
                {"name": "ours", "version": "1.0.0"},
                {"name": "good", "version": "1.0.0", "source": supply_chain.REGISTRY,
                 "checksum": CHECKSUM},
            ]
        }  # fmt: skip
        self.assertEqual(supply_chain.unlocked(lock), [])
        for change in ({"source": "git+https://example.org/good"}, {"checksum": ""},
                       {"source": "registry+https://example.org/index"}):  # fmt: skip
            spoiled = copy.deepcopy(lock)
            spoiled["package"][1] |= change
            (fault,) = supply_chain.unlocked(spoiled)
            self.assertIn("good 1.0.0", fault)

    def test_what_runs_at_build_time_has_to_be_listed_once_and_with_a_reason(self):
        packages = [
            package("maker", ["lib", "custom-build"]),
            package("macro", ["proc-macro"]),
            package("plain"),
            package("ours", ["custom-build"], source=None),
        ]
        found = supply_chain.run_at_build_time({"packages": packages})
        listed = {"group": [{"does": "x", "build_scripts": ["maker"]},
                            {"does": "y", "proc_macros": ["macro"]}]}  # fmt: skip
        self.assertEqual(supply_chain.unlisted(found, listed), [])

        def faults(change):
            spoiled = copy.deepcopy(listed)
            change(spoiled["group"])
            return " ".join(supply_chain.unlisted(found, spoiled))

        self.assertIn("maker runs code at build time", faults(lambda g: g.pop(0)))
        self.assertIn(
            "gone (proc_macros) is no longer", faults(lambda g: g[1]["proc_macros"].append("gone"))
        )
        self.assertIn("macro (proc_macros) is listed twice", faults(lambda g: g.append(g[1])))
        self.assertIn("does not say what", faults(lambda g: g[0].update(does="")))


class Sbom(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.inputs = sbom.read([])
        cls.bom = sbom.bill(*cls.inputs)
        cls.parts = {part["bom-ref"]: part for part in cls.bom["components"]}

    def test_every_crate_and_every_downloaded_file_is_in_it_with_its_hash_and_licence(self):
        metadata, _, pins = self.inputs
        for crate in metadata["packages"]:
            part = self.parts[sbom.purl(crate)]
            self.assertTrue(part["licenses"][0]["expression"], part["name"])
            self.assertNotIn("/", part["licenses"][0]["expression"])
            self.assertEqual("hashes" in part, crate["source"] is not None, part["name"])
        for file in pins["files"]:
            self.assertEqual(
                self.parts[f"file:{file['path']}"]["hashes"][0]["content"], file["sha256"]
            )

    def test_it_says_what_a_program_holds_and_what_only_builds_or_tests_it(self):
        scopes = {part["name"]: part["scope"] for part in self.parts.values() if "scope" in part}
        for name in ("native", "candle-core", "rten", "wetext"):
            self.assertEqual(scopes[name], "required", name)
        for name in ("proptest", "criterion", "serde_derive", "cc"):
            self.assertEqual(scopes[name], "excluded", name)

    def test_every_dependency_is_a_component_and_the_bytes_are_always_the_same(self):
        known = {*self.parts, "project"}
        for entry in self.bom["dependencies"]:
            self.assertLessEqual({entry["ref"], *entry["dependsOn"]}, known)
        self.assertEqual(self.bom, sbom.bill(*sbom.read([])))

    def test_old_spellings_of_licences_become_spdx(self):
        for old in ("MIT/Apache-2.0", "MIT / Apache-2.0"):
            self.assertEqual(sbom.licence(old), [{"expression": "MIT OR Apache-2.0"}])


class Configuration(unittest.TestCase):
    def test_every_exception_has_a_reason(self):
        deny = tomllib.loads((supply_chain.HERE / "deny.toml").read_text())
        exceptions = deny["bans"]["skip"] + deny["advisories"]["ignore"]
        self.assertTrue(exceptions)
        for exception in exceptions:
            self.assertGreater(len(exception["reason"]), 2, exception)


if __name__ == "__main__":
    unittest.main()
