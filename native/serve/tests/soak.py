#!/usr/bin/env python3
"""Ask a server for a long time, and hold every answer against the command line's.

    native/serve/tests/soak.py --native target/release/native --model-dir out/tiny-7 --minutes 30

Eight clients say texts, go away in the middle, and send what is wrong. Each sound must be, byte for
byte, what `native synth` writes with its seed. The server's memory must not grow. Only Python's
standard library is needed. The exit status is 1 where anything is wrong.
"""

import argparse
import collections
import http.client
import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROMPT = ROOT / "golden" / "prompts" / "fox_22k.wav"
TRANSCRIPT = "You are a helpful assistant.<|endofprompt|>The quick brown fox."
TEXTS = [
    "Hello there.",
    "It costs $5.20, which is much for a small bread.",
    "Good morning, my name is Alice.",
    "The quick brown fox jumps over the lazy dog. The dog sleeps on.",
]
SEEDS = range(3)
BAD = [
    {},
    {"model": "no such model"},
    {"voice": "nobody"},
    {"input": "... !"},
    {"input": "a" * 5000},
    {"response_format": "aac"},
    {"speed": -1},
    {"input": 7},
]


def expected(native: Path, model: Path, speakers: Path, folder: Path) -> dict:
    """The samples of every text and seed, whole and in chunks, as the command line writes them."""
    sounds = {}
    for text in TEXTS:
        for seed in SEEDS:
            for stream in (False, True):
                wav = folder / "a.wav"
                subprocess.run(
                    [native, "synth", "--model-dir", model, "--speakers", speakers, "--speaker", "fox",
                     "--text", text, "--seed", str(seed), "--sample-format", "int16", "-o", wav]
                    + ["--stream"] * stream,
                    check=True, capture_output=True,
                )
                sounds[text, seed, stream] = wav.read_bytes()[44:]
    return sounds


class Server:
    """A server process on a port of its own."""

    def __init__(self, native: Path, model: Path, speakers: Path, workers: int):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [native, "serve", "--model-dir", model, "--speakers", speakers, "--model-name", "tiny",
             "--listen", f"127.0.0.1:{self.port}", "--workers", str(workers), "--queue", "32"],
            stderr=subprocess.DEVNULL,
        )
        for _ in range(600):
            try:
                self.ask("GET", "/health")
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server does not answer")

    def open(self, method: str, path: str, body: dict | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request(method, path, json.dumps(body) if body is not None else None)
        return connection, connection.getresponse()

    def ask(self, method: str, path: str, body: dict | None = None):
        connection, response = self.open(method, path, body)
        sound = response.read()
        connection.close()
        return response.status, sound

    def resident(self) -> float:
        """Megabytes of memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


class Client(threading.Thread):
    """One client, until `end`."""

    def __init__(self, server: Server, sounds: dict, seed: int, end: float):
        super().__init__()
        self.server, self.sounds, self.end = server, sounds, end
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.latencies = []
        self.faults = []

    def run(self):
        while time.monotonic() < self.end:
            try:
                self.random.choices([self.say, self.leave, self.err], [7, 2, 1])[0]()
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(repr(error))

    def order(self):
        text, seed, stream = key = self.random.choice(list(self.sounds))
        body = {"model": "tiny", "voice": "fox", "input": text, "seed": seed, "stream": stream,
                "response_format": "pcm"}
        return key, body

    def say(self):
        key, body = self.order()
        began = time.monotonic()
        status, sound = self.server.ask("POST", "/v1/audio/speech", body)
        self.counts[f"status {status}"] += 1
        if status == 200:
            self.latencies.append(time.monotonic() - began)
            if sound != self.sounds[key]:
                self.faults.append(f"{key}: {len(sound)} bytes for {len(self.sounds[key])}")
        elif status != 429:
            self.faults.append(f"{key}: status {status}")

    def leave(self):
        """Goes away before the sound, or in the middle of it."""
        _, body = self.order()
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=300)
        connection.request("POST", "/v1/audio/speech", json.dumps(body))
        if self.random.random() < 0.5:
            time.sleep(self.random.random())
        else:
            connection.getresponse().read(2000)
        connection.close()
        self.counts["left"] += 1

    def err(self):
        change = self.random.choice(BAD)
        body = self.order()[1] | change if change else {}
        status, _ = self.server.ask("POST", "/v1/audio/speech", body)
        self.counts["refused"] += 1
        if status not in (400, 404, 413, 429):
            self.faults.append(f"{change}: status {status}")


def throughput(server: Server, sounds: dict, clients: int, rounds: int) -> float:
    """Seconds of speech in a second, by so many clients, each sound checked."""
    left = [key for key in sounds if key[2] for _ in range(rounds)]
    lock, said = threading.Lock(), []

    def work():
        while True:
            with lock:
                if not left:
                    return
                text, seed, stream = key = left.pop()
            body = {"model": "tiny", "voice": "fox", "input": text, "seed": seed, "stream": stream,
                    "response_format": "pcm"}
            _, sound = server.ask("POST", "/v1/audio/speech", body)
            assert sound == sounds[key], key
            said.append(len(sound) / 2 / 24_000)

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(said) / (time.monotonic() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--native", type=Path, default=ROOT / "target/release/native")
    parser.add_argument("--model-dir", type=Path, default=ROOT / "out/tiny-7")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2, help="of the throughput's measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        speakers = folder / "voices.pt"
        subprocess.run(
            [options.native, "speaker", "add", "fox", "--model-dir", options.model_dir, "--speakers",
             speakers, "--prompt-wav", PROMPT, "--prompt-text", TRANSCRIPT],
            check=True, capture_output=True,
        )
        sounds = expected(options.native, options.model_dir, speakers, folder)
        server = Server(options.native, options.model_dir, speakers, options.workers)
        faults = soak(server, sounds, options)
        server.process.terminate()
        if server.process.wait(timeout=120) != 0:
            faults.append(f"the server ended with status {server.process.returncode}")
    for fault in faults[:20]:
        print("WRONG:", fault)
    sys.exit(1 if faults else 0)


def soak(server: Server, sounds: dict, options) -> list:
    for clients in (1, options.clients):
        speed = throughput(server, sounds, clients, options.rounds)
        print(f"{clients} client(s): {speed:.2f} s of speech in a second", flush=True)
    end = time.monotonic() + 60 * options.minutes
    clients = [Client(server, sounds, i, end) for i in range(options.clients)]
    for client in clients:
        client.start()
    memory = []
    while time.monotonic() < end:
        time.sleep(min(60, max(1, end - time.monotonic())))
        memory.append(server.resident())
        said = sum(client.counts["status 200"] for client in clients)
        print(f"{said} said, {memory[-1]:.0f} MB", flush=True)
    for client in clients:
        client.join()
    counts = sum((client.counts for client in clients), collections.Counter())
    latencies = sorted(l for client in clients for l in client.latencies)
    faults = [fault for client in clients for fault in client.faults]
    print(dict(counts))
    if latencies:
        print(f"whole answers after {statistics.median(latencies):.2f} s (median), "
              f"{latencies[int(0.95 * (len(latencies) - 1))]:.2f} s (95 %)")
    # The first minutes fill caches.
    third = len(memory) // 3
    if third and statistics.mean(memory[-third:]) > 1.1 * statistics.mean(memory[third:2 * third]):
        faults.append(f"memory grew: {memory}")
    return faults


if __name__ == "__main__":
    main()
