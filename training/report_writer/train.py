"""Trains the writer: `python -m training.report_writer.train`.

First it reads notes, then it also learns to write: findings from evidence, impressions from findings,
summaries of notes. What a step sees is decided by its number alone, so a training that was interrupted goes
on to the weights that an unbroken one ends with. The rate stays level until the last part of the steps and
then falls to zero, so a training may be made longer or shorter until then.

Each process works on a part of every step with one thread: on a machine that others use too, threads that
wait for one another at each operation lose most of their time.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import distributed, multiprocessing
from torch.nn import functional

from training import checkpoint
from training.report_writer import notes, tasks, tokenizer
from training.report_writer.examples import Encoder, Notes, Tokens, batch, padded
from training.report_writer.muon import Muon
from training.report_writer.network import Shape, Writer

RUN = Path("training/runs/report_writer")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out, but how many processes share the work."""

    seed: int = 7
    vocabulary: int = 4096
    width: int = 192
    layers: int = 6
    heads: int = 4
    hidden: int = 512
    reading_steps: int = 700
    """Steps at the start that read notes and nothing else."""
    steps: int = 2450
    decay: float = 0.3
    """The last part of the steps, in which the rate falls to zero."""
    warmup_steps: int = 60
    tokens_per_step: int = 4096
    matrix_rate: float = 0.02
    other_rate: float = 3e-3
    matrix_decay: float = 0.02
    shards: int = 2
    """Parts of a step, each drawn by itself."""

    @property
    def shape(self) -> Shape:
        """Of the network."""
        return Shape(self.vocabulary, self.width, self.layers, self.heads, self.hidden)

    def rate(self, step: int) -> float:
        """The share of the full rate at a step, from 0."""
        rise = min(1.0, (step + 1) / self.warmup_steps)
        fall = min(1.0, (self.steps - step) / (self.decay * self.steps))
        return rise * fall


class Material:
    """What the steps draw from."""

    def __init__(self, recipe: Recipe, tokens: Tokenizer, sources: list[notes.Note]) -> None:
        self.recipe = recipe
        self.encoder = Encoder(tokens)
        trained = [note for note in sources if not note.held_out]
        self.notes = Notes([note.text for note in trained], self.encoder)
        self.tasks = tasks.Tasks(trained)

    def batch(self, step: int, shard: int) -> list[Tokens]:
        """What one part of a step sees."""
        rng = np.random.default_rng([self.recipe.seed, step, shard])
        size = self.recipe.tokens_per_step // self.recipe.shards
        if step < self.recipe.reading_steps or rng.random() < tasks.READING_SHARE:
            return batch(self.notes.draw, rng, size, pool=size // self.notes.length)
        task = self.tasks.pick(rng)
        return batch(lambda rng: self.encoder.sequence(task(rng)), rng, size)


def loss_of(network: Writer, sequences: list[Tokens]) -> tuple[torch.Tensor, float]:
    """Sum of the weighted losses, and of the weights."""
    ids, weights = (torch.from_numpy(part) for part in padded(sequences))
    rows = torch.arange(ids.shape[1] - 1).expand(ids.shape[0], -1)
    hidden, _ = network(ids[:, :-1], torch.ones_like(rows), rows)
    weight = weights[:, 1:].reshape(-1)
    counted = weight > 0
    logits = network.logits(hidden.reshape(-1, hidden.shape[-1])[counted])
    losses = functional.cross_entropy(logits, ids[:, 1:].reshape(-1)[counted], reduction="none")
    return (losses * weight[counted]).sum(), float(weight.sum())


class Training:
    """Network, optimizers and where they stand."""

    def __init__(self, recipe: Recipe, run: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.run = recipe, run
        self.network = Writer(recipe.shape)
        matrices: list[torch.Tensor] = []
        others: list[torch.Tensor] = []
        for name, parameter in self.network.named_parameters():
            inner = parameter.ndim == 2 and not name.startswith("words")
            (matrices if inner else others).append(parameter)
        self.optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, recipe.matrix_rate, weight_decay=recipe.matrix_decay),
            torch.optim.AdamW(others, recipe.other_rate, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.rates = [recipe.matrix_rate, recipe.other_rate]
        self.step = 0
        self._resume()

    def update(self, material: Material, shards: list[int], processes: int) -> float:
        """One step, of which this process does `shards`; the loss per weight over all."""
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        total = torch.zeros(2)
        for shard in shards:
            loss, weight = loss_of(self.network, material.batch(self.step, shard))
            # Each part counts alike, as far as it has tokens that count: a step of one task is no quieter.
            (loss / max(weight, 1.0) / self.recipe.shards).backward()  # type: ignore[no-untyped-call]
            total += torch.tensor([float(loss.detach()), weight])
        if processes > 1:
            flat = torch.cat([parameter.grad.reshape(-1) for parameter in parameters] + [total])  # type: ignore[union-attr]
            distributed.all_reduce(flat)
            at = 0
            for parameter in parameters:
                parameter.grad.copy_(flat[at : at + parameter.numel()].reshape(parameter.shape))  # type: ignore[union-attr]
                at += parameter.numel()
            total = flat[at:]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * self.recipe.rate(self.step)
            optimizer.step()
        self.network.zero_grad(set_to_none=True)
        self.step += 1
        return float(total[0] / total[1])

    def save(self) -> None:
        """Write the checkpoint that the next start goes on from."""
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
        }
        checkpoint.save(self.run / "last.pt", self.recipe, state)

    def _resume(self) -> None:
        path = self.run / "last.pt"
        if not path.is_file():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        before = Recipe(**state["recipe"])
        level = all(state["step"] <= (1 - recipe.decay) * recipe.steps for recipe in (before, self.recipe))
        if replace(before, steps=self.recipe.steps) != self.recipe or not (level or before == self.recipe):
            raise SystemExit(
                f"{path} is of another recipe or seed: remove it, or name another folder with --run"
            )
        self.network.load_state_dict(state["network"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.step = state["step"]


def prepared(recipe: Recipe, run: Path) -> Material:
    """The tokenizer, made if there is none in the run yet, and all that is drawn from."""
    run.mkdir(parents=True, exist_ok=True)
    sources = notes.read()
    path = run / "tokenizer.json"
    if not path.is_file():
        trained = (note.text for note in sources if not note.held_out)
        tokenizer.build(trained, recipe.vocabulary).save(str(path))
    return Material(recipe, Tokenizer.from_file(str(path)), sources)


def work(rank: int, processes: int, recipe: Recipe, run: Path, meeting: str, save_every: int) -> None:
    """What one of the processes does."""
    torch.set_num_threads(1)
    if processes > 1:
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=processes)
    training = Training(recipe, run)
    material = prepared(recipe, run)
    shards = [shard for shard in range(recipe.shards) if shard % processes == rank]
    losses: list[float] = []
    began = time.monotonic()
    while training.step < recipe.steps:
        losses.append(training.update(material, shards, processes))
        if rank == 0 and training.step % 50 == 0:
            line = {"step": training.step, "loss": round(float(np.mean(losses)), 4)}
            line["seconds"] = round(time.monotonic() - began)
            print(json.dumps(line), flush=True)
            losses = []
        if rank == 0 and (training.step % save_every == 0 or training.step == recipe.steps):
            training.save()
    if processes > 1:
        distributed.destroy_process_group()


def train(recipe: Recipe, run: Path, processes: int = 2, save_every: int = 100) -> None:
    """Go on until the recipe's last step."""
    prepared(recipe, run)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        arguments = (processes, recipe, run, f"file://{folder}/meeting", save_every)
        multiprocessing.spawn(work, arguments, nprocs=processes)  # type: ignore[no-untyped-call]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=RUN, help="checkpoints (default %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="that share each step (default %(default)s)")
    defaults = Recipe()
    for name in ("seed", "reading_steps", "steps"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(defaults, name))
    arguments = vars(parser.parse_args())
    run, processes = arguments.pop("run"), arguments.pop("processes")
    train(Recipe(**arguments), run, processes)


if __name__ == "__main__":
    main()
