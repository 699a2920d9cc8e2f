"""Progress with the time left, and the log of losses."""

import json
import time
from pathlib import Path


class Progress:
    """Prints how far a step is, at most every `every` seconds."""

    def __init__(self, name: str, total: float, every: float = 20.0):
        self.name, self.total, self.every = name, total, every
        self.start = self.said = time.monotonic()

    def at(self, done: float, note: str = "") -> None:
        now = time.monotonic()
        if now - self.said < self.every and done < self.total:
            return
        self.said = now
        passed = now - self.start
        left = passed / max(done, 1e-9) * (self.total - done)
        share = done / self.total
        print(
            f"{self.name} {share:5.1%}, {passed / 60:.1f} min, {left / 60:.1f} left  {note}",
            flush=True,
        )


class Log:
    """Appends JSON objects to a file, one a line, and prints them."""

    def __init__(self, path: Path, step: str):
        self.path, self.step = path, step
        path.parent.mkdir(parents=True, exist_ok=True)
        self.start = time.process_time()

    def write(self, **values) -> None:
        cpu = (time.process_time() - self.start) / 60
        rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}
        line = json.dumps({"step": self.step, "cpu_minutes": round(cpu, 2), **rounded})
        with self.path.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)
