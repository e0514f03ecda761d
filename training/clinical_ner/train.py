"""Trains the entity tagger on BC5CDR's train file alone: `python -m training.clinical_ner.train`.

The last tenth of the train file watches (early stopping) and calibrates; devel is never looked at here. Each
epoch writes a checkpoint to `training/runs/clinical_ner/` and a run that was interrupted goes on from it.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from services.language.tokenization import MAX_TOKENS, NoteTokenizer
from training.clinical_ner import scoring
from training.clinical_ner.corpus import (
    Augmentation,
    Pieces,
    Sentence,
    Tokens,
    corpus_folder,
    read,
    runs,
    split,
)
from training.clinical_ner.inference import with_torch
from training.clinical_ner.network import EntityTagger
from training.minilm import LAYERS, base_folder

IGNORED = -100


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out."""

    seed: int = 7
    epochs: int = 12
    patience: int = 6
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


@dataclass
class Progress:
    """Where a run stands; with the tensors beside it, all that is needed to go on."""

    epoch: int = 0
    best_score: float = -1.0
    best_epoch: int = 0
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


def tensors(batch: list[Tokens], tokenizer: NoteTokenizer) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Padded `input_ids`, `attention_mask` and tags, INT64 [batch, tokens] each; IGNORED where no word is."""
    length = max(len(tokens.ids) for tokens in batch) + 2
    ids = np.full((len(batch), length), tokenizer.pad_id, dtype=np.int64)
    tags = np.full((len(batch), length), IGNORED, dtype=np.int64)
    mask = np.zeros((len(batch), length), dtype=np.int64)
    for row, tokens in enumerate(batch):
        count = len(tokens.ids)
        ids[row, 0], ids[row, count + 1] = tokenizer.cls_id, tokenizer.sep_id
        ids[row, 1 : count + 1] = tokens.ids
        tags[row, 1 : count + 1] = tokens.tags
        mask[row, : count + 2] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(tags)


class Training:
    """One run: network, its moving average, optimizer, and where they are kept."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder = recipe, folder
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = NoteTokenizer.from_file(base_folder() / "tokenizer.json")
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

    def run(self) -> None:
        """Train until the last epoch, or until the watched part has not got better for `patience` epochs."""
        self._resume()
        while self.progress.epoch < self.recipe.epochs:
            if self.progress.epoch - self.progress.best_epoch >= self.recipe.patience:
                break
            self.progress.epoch += 1
            loss = self._epoch()
            score = self._watch()
            self.progress.history.append({"epoch": self.progress.epoch, "loss": loss, "f1": score})
            print(json.dumps(self.progress.history[-1]), flush=True)
            if score > self.progress.best_score:
                self.progress.best_score, self.progress.best_epoch = score, self.progress.epoch
                torch.save(
                    {"network": self.average.state_dict(), "recipe": asdict(self.recipe)},
                    self.folder / "best.pt",
                )
            self._save()

    def _epoch(self) -> float:
        rng = np.random.default_rng([self.recipe.seed, self.progress.epoch])
        torch.manual_seed(self.recipe.seed * 1000 + self.progress.epoch)
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

    def _watch(self) -> float:
        self.average.cpu()
        predict = with_torch(self.average, self.tokenizer)
        results = scoring.outcomes(self.watched, self.pieces, predict, scoring.SENTENCES_PER_NOTE)
        self.average.to(self.device)
        return scoring.f1(scoring.counts(results))

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": asdict(self.progress),
            "steps": self.steps,
            "recipe": asdict(self.recipe),
        }
        partial = self.folder / "last.pt.partial"
        torch.save(state, partial)
        partial.replace(self.folder / "last.pt")

    def _resume(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "last.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise SystemExit(f"{path} was made with another recipe; remove it or choose another --folder")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])
        self.steps = state["steps"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    folder = Path("training/runs/clinical_ner")
    parser.add_argument("--folder", type=Path, default=folder, help="checkpoints (default %(default)s)")
    defaults = Recipe()
    for name in ("seed", "epochs", "learning_rate", "held_out", "replace", "label_smoothing", "dropout"):
        value = getattr(defaults, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    arguments = vars(parser.parse_args())
    folder = arguments.pop("folder")
    Training(Recipe(**arguments), folder).run()


if __name__ == "__main__":
    main()
