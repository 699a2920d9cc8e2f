"""The loop that every network is trained with: seeded, logged, resumable."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from .progress import Log, Progress


@dataclass(frozen=True)
class Schedule:
    """AdamW with a linear warm-up and a cosine down to nothing over `steps`."""

    steps: int
    rate: float
    warmup: int = 100
    decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    mixed: bool = True  # matrix products and convolutions in bfloat16, whatever the weights are
    report: int = 100  # steps between evaluations, each of which saves a checkpoint

    def rate_at(self, step: int) -> float:
        fade = 0.5 + 0.5 * math.cos(math.pi * step / self.steps)
        return self.rate * min(1.0, (step + 1) / self.warmup) * fade + 1e-2 * self.rate / 10


class Training:
    """Trains `net` under the name `name`; everything it needs to go on lies in `folder`."""

    def __init__(self, name: str, net: nn.Module, folder: Path, schedule: Schedule, seed: int):
        self.name, self.net, self.schedule = name, net, schedule
        self.path = folder / f"{name}.checkpoint"
        self.log = Log(folder / "log.jsonl", name)
        matrices = [p for p in net.parameters() if p.requires_grad and p.dim() > 1]
        vectors = [p for p in net.parameters() if p.requires_grad and p.dim() <= 1]
        groups = [
            {"params": matrices, "weight_decay": schedule.decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, schedule.rate, schedule.betas)
        self.parameters = matrices + vectors
        self.step = 0
        torch.manual_seed(seed)
        random.seed(seed)
        if self.path.exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self.path)
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        torch.set_rng_state(state["torch"])
        random.setstate(state["random"])
        print(f"{self.name}: goes on at step {self.step}", flush=True)

    def save(self) -> None:
        state = {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "torch": torch.get_rng_state(),
            "random": random.getstate(),
        }
        partial = self.path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.path)

    def run(self, loss: Callable[[], dict], evaluate: Callable[[], dict]) -> None:
        """Go on to the schedule's last step.

        `loss` draws a batch and returns named losses, of which "loss" is descended. `evaluate`
        returns named figures on what is never trained on; the network is in evaluation mode.
        """
        progress = Progress(self.name, self.schedule.steps - self.step)
        first, seen = self.step, []
        self.net.train()
        while self.step < self.schedule.steps:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.schedule.mixed):
                losses = loss()
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule.rate_at(self.step)
            self.optimizer.zero_grad()
            losses["loss"].backward()
            norm = nn.utils.clip_grad_norm_(self.parameters, self.schedule.clip)
            if torch.isfinite(norm):
                self.optimizer.step()
            self.step += 1
            seen.append({name: float(value) for name, value in losses.items()})
            progress.at(self.step - first)
            if self.step % self.schedule.report == 0 or self.step == self.schedule.steps:
                means = {k: sum(s[k] for s in seen) / len(seen) for k in seen[0]}
                seen = []
                self.net.eval()
                with torch.no_grad():
                    figures = evaluate()
                self.net.train()
                figures = {f"test_{name}": value for name, value in figures.items()}
                self.log.write(at=self.step, **means, **figures)
                self.save()
        self.net.eval()


def similar(lengths: Sequence[int], size: int, spread: int = 8) -> list[int]:
    """`size` random indices of items of similar length, so that little of a batch is padding."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    window = min(len(order), size * spread)
    start = random.randint(0, len(order) - window)
    return random.sample(order[start : start + window], size)
