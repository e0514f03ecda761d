"""Trains the entity tagger on BC5CDR's train file alone: `python -m training.clinical_ner.train`.

Several runs begin with the same epochs and then part, each with an order of sentences, variations and dropout
of its own; the mean of their weights is what is served (Wortsman et al. 2022, "model soups"). It makes the
errors of one run smaller, as an ensemble does, at the size and speed of one network. The shared beginning
keeps the runs in one basin of the loss, without which their mean would be of no use (Frankle et al. 2020).

The last tenth of the train file watches (early stopping) and calibrates; devel is never looked at here. Each
epoch writes a checkpoint to `training/runs/clinical_ner/<run>/` and a training that was interrupted goes on
from it.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from services.language.tokenization import TextTokenizer
from training import checkpoint
from training.clinical_ner import scoring
from training.clinical_ner.corpus import (
    MAX_TOKENS,
    Augmentation,
    Pieces,
    Sentence,
    Tokens,
    corpus_folder,
    read,
    read_tokenizer,
    runs,
    split,
)
from training.clinical_ner.inference import with_torch
from training.clinical_ner.network import EntityTagger, load
from training.minilm import LAYERS, base_folder

IGNORED = -100


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out."""

    seed: int = 7
    runs: int = 4
    epochs: int = 12
    shared: float = 0.25
    """How much of the epochs is the beginning that the runs have in common."""
    patience: int = 4
    tolerance: float = 0.02
    """How far below the best an epoch may score without trying the patience: only what is plainly worse stops
    a run before its steps have become small, since like epochs differ by 0.01 on the watched part."""
    held_out: float = 0.1
    tokens_per_step: int = 1024
    learning_rate: float = 4e-4
    layer_decay: float = 0.85
    head_learning_rate: float = 2e-3
    weight_decay: float = 0.01
    warmup: float = 0.1
    dropout: float = 0.1
    label_smoothing: float = 0.05
    average_decay: float = 0.998
    replace: float = 0.3
    lower: float = 0.08
    upper: float = 0.05
    rooms: tuple[int, ...] = (1, 1, 1, 62, 62, 126, 126)

    @property
    def shared_epochs(self) -> int:
        """After how many epochs the runs part."""
        return round(self.shared * self.epochs)


@dataclass
class Progress:
    """Where a run stands; with the tensors beside it, all that is needed to go on."""

    epoch: int = 0
    best_score: float = -1.0
    good_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def parameter_groups(network: EntityTagger, recipe: Recipe) -> list[dict[str, object]]:
    """The nearer to the words, the smaller the step: lower layers know most of what they need (Howard and
    Ruder 2018).
    """
    groups = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("encoder.layers."):
            depth = LAYERS - 1 - int(name.split(".")[2])
            rate = recipe.learning_rate * recipe.layer_decay**depth
        elif name.startswith("encoder."):
            rate = recipe.learning_rate * recipe.layer_decay**LAYERS
        else:
            rate = recipe.head_learning_rate
        decay = 0.0 if parameter.ndim < 2 else recipe.weight_decay
        groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
    return groups


def batches(
    sentences: list[Sentence],
    pieces: Pieces,
    augmentation: Augmentation,
    recipe: Recipe,
    rng: np.random.Generator,
) -> list[list[Tokens]]:
    """One epoch: every sentence once, in runs of mixed lengths, varied, sorted into batches of like
    length.
    """
    sequences: list[Tokens] = []
    at = 0
    while at < len(sentences):
        room = int(rng.choice(recipe.rooms))
        run = next(runs(sentences[at:], pieces, room))
        at += len(run)
        tokens = pieces.sequence(augmentation.replaced(run, rng))
        limit = MAX_TOKENS - 2
        ids = augmentation.rewritten(tokens.ids[:limit], rng)
        sequences.append(Tokens(ids, tokens.words[:limit], tokens.tags[:limit]))
    # The jitter keeps the batches from holding the same neighbours in every epoch.
    sequences.sort(key=lambda tokens: len(tokens.ids) * rng.uniform(0.9, 1.1))
    grouped: list[list[Tokens]] = [[]]
    for tokens in sequences:
        longest = max([len(item.ids) for item in grouped[-1]] + [len(tokens.ids)])
        if grouped[-1] and longest * (len(grouped[-1]) + 1) > recipe.tokens_per_step:
            grouped.append([])
        grouped[-1].append(tokens)
    order = rng.permutation(len(grouped))
    return [grouped[index] for index in order]


def tensors(batch: list[Tokens], tokenizer: TextTokenizer) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Padded `input_ids`, `attention_mask` and tags, INT64 [batch, tokens] each; IGNORED where no word is."""
    length = max(len(tokens.ids) for tokens in batch) + 2
    tags = np.full((len(batch), length), IGNORED, dtype=np.int64)
    for row, tokens in enumerate(batch):
        tags[row, 1 : len(tokens.tags) + 1] = tokens.tags
    framed = [tokenizer.framed(tokens.ids, length) for tokens in batch]
    ids, mask = (np.stack([parts[at] for parts in framed]) for at in (0, 1))
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(tags)


class Run:
    """The run `number`, from 0: network, its moving average, optimizer, and where they are kept.

    It leaves the average at the end of its schedule, where the steps have become small, or, when it stopped
    early, that of its best epoch.
    """

    def __init__(self, recipe: Recipe, folder: Path, number: int) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder, self.number = recipe, folder / str(number), number
        self.beginning = folder / "beginning.pt"
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = read_tokenizer(base_folder() / "tokenizer.json")
        self.pieces = Pieces(self.tokenizer)
        self.sentences, self.watched = split(read(corpus_folder() / "train.tsv"), recipe.held_out)
        self.augmentation = Augmentation(self.sentences, recipe.replace, recipe.lower, recipe.upper)
        self.network = EntityTagger(recipe.dropout).to(self.device)
        self.average = copy.deepcopy(self.network)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.network, recipe), fused=True)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.progress = Progress()
        self.steps = 0
        epoch = batches(
            self.sentences, self.pieces, self.augmentation, recipe, np.random.default_rng(recipe.seed)
        )
        self.total_steps = recipe.epochs * len(epoch)

    def finish(self) -> None:
        """Train until the last epoch, or until `patience` epochs after the shared beginning have been plainly
        worse than the best.
        """
        self._resume()
        while self.progress.epoch < self.recipe.epochs:
            good_epoch = max(self.progress.good_epoch, self.recipe.shared_epochs)
            if self.progress.epoch - good_epoch >= self.recipe.patience:
                break
            self.progress.epoch += 1
            loss = self._epoch()
            score = watched_f1(self.average, self.watched, self.tokenizer)
            self.average.to(self.device)
            self.progress.history.append({"epoch": self.progress.epoch, "loss": loss, "f1": score})
            print(json.dumps({"run": self.number, **self.progress.history[-1]}), flush=True)
            if score > self.progress.best_score or self.progress.epoch == self.recipe.epochs:
                save(self.average, self.recipe, self.folder)
            self.progress.best_score = max(score, self.progress.best_score)
            if score >= self.progress.best_score - self.recipe.tolerance:
                self.progress.good_epoch = self.progress.epoch
            self._checkpoint()

    def _epoch(self) -> float:
        seed = [self.recipe.seed, self.number, self.progress.epoch]
        rng = np.random.default_rng(seed)
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        self.network.train()
        losses = []
        todo = batches(self.sentences, self.pieces, self.augmentation, self.recipe, rng)
        for batch in tqdm(todo, desc=f"epoch {self.progress.epoch}", mininterval=10):
            self._set_rates()
            losses.append(self._step(*(part.to(self.device) for part in tensors(batch, self.tokenizer))))
            self._average()
        return float(np.mean(losses))

    def _set_rates(self) -> None:
        """Linear warm-up, then cosine to zero."""
        self.steps += 1
        done = min(self.steps / self.total_steps, 1.0)
        warmup = self.recipe.warmup
        factor = (
            done / warmup if done < warmup else 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))
        )
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def _step(self, ids: torch.Tensor, mask: torch.Tensor, tags: torch.Tensor) -> float:
        loss = self._loss(ids, mask, tags)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def _loss(self, ids: torch.Tensor, mask: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            logits = self.network(ids, mask)
        return functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]),
            tags.reshape(-1),
            ignore_index=IGNORED,
            label_smoothing=self.recipe.label_smoothing,
        )

    def _average(self) -> None:
        """Move the average on; young averages follow faster, so that they forget the start."""
        decay = min(self.recipe.average_decay, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for mean, current in zip(self.average.parameters(), self.network.parameters(), strict=True):
                if current.requires_grad:
                    mean.lerp_(current, 1 - decay)

    def _checkpoint(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": asdict(self.progress),
            "steps": self.steps,
        }
        if self.number == 0 and self.progress.epoch == self.recipe.shared_epochs:
            checkpoint.save(self.beginning, self.recipe, state)
        checkpoint.save(self.folder / "last.pt", self.recipe, state)

    def _resume(self) -> None:
        """Go on from this run's last epoch; a new run but the first goes on from the shared beginning."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "last.pt"
        if not path.exists():
            if self.number == 0 or self.recipe.shared_epochs == 0:
                return
            path = self.beginning
        state = torch.load(path, map_location=self.device, weights_only=True)
        # More runs of the same recipe may be added to those that are there.
        if {**state["recipe"], "runs": self.recipe.runs} != asdict(self.recipe):
            raise SystemExit(f"{path} was made with another recipe; remove it or choose another --folder")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])
        self.steps = state["steps"]
        if path == self.beginning:
            self.progress.best_score = Progress.best_score  # what it keeps must be its own


def watched_f1(network: EntityTagger, watched: list[Sentence], tokenizer: TextTokenizer) -> float:
    """Strict F1 of the network, moved to the CPU, on the sentences read as notes."""
    predict = with_torch(network.cpu(), tokenizer)
    results = scoring.outcomes(watched, Pieces(tokenizer), predict, scoring.SENTENCES_PER_NOTE)
    return scoring.f1(scoring.counts(results))


def mean(networks: Sequence[EntityTagger]) -> EntityTagger:
    """A network whose every weight is the mean of theirs."""
    result = copy.deepcopy(networks[0])
    states = [network.state_dict() for network in networks]
    result.load_state_dict({name: torch.stack([s[name] for s in states]).mean(dim=0) for name in states[0]})
    return result


def save(network: EntityTagger, recipe: Recipe, folder: Path) -> None:
    """Write what `network.load` reads."""
    checkpoint.save(folder / "best.pt", recipe, {"network": network.state_dict()})


def train(recipe: Recipe, folder: Path) -> None:
    """Finish every run and write the mean of them to `folder`."""
    for number in range(recipe.runs):
        Run(recipe, folder, number).finish()
    network = mean([load(folder / str(number))[0] for number in range(recipe.runs)])
    save(network, recipe, folder)
    _, watched = split(read(corpus_folder() / "train.tsv"), recipe.held_out)
    tokenizer = read_tokenizer(base_folder() / "tokenizer.json")
    print(json.dumps({"mean of runs": recipe.runs, "f1": watched_f1(network, watched, tokenizer)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    folder = Path("training/runs/clinical_ner")
    parser.add_argument("--folder", type=Path, default=folder, help="checkpoints (default %(default)s)")
    defaults = Recipe()
    names = ("seed", "runs", "epochs", "learning_rate", "held_out", "replace", "label_smoothing", "dropout")
    for name in names:
        value = getattr(defaults, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    arguments = vars(parser.parse_args())
    folder = arguments.pop("folder")
    train(Recipe(**arguments), folder)


if __name__ == "__main__":
    main()
