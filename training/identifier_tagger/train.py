"""Trains the tagger of identifiers: `python -m training.identifier_tagger.train`; on a GPU a few minutes.

Its word pieces are those of MiniLM that the notes of `train` and the names use most. Each epoch sets other identifiers into
the notes, made by all cores while the network learns from the one before.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from services.language.tokenization import TextTokenizer
from training import checkpoint
from training.identifier_tagger.corpus import (
    IGNORED,
    ROOM,
    Sentence,
    epoch,
    frequent_pieces,
    labelled,
    real_notes,
)
from training.identifier_tagger.network import IdentifierTagger
from training.minilm import base_folder

FOLDER = Path("training/runs/identifier_tagger")
Windows = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out."""

    seed: int = 11
    epochs: int = 40
    pieces: int = 10_000
    layers: int = 6
    batch: int = 96
    learning_rate: float = 4e-4
    layer_decay: float = 0.85
    weight_decay: float = 0.01
    dropout: float = 0.1
    dropped_words: float = 0.08
    """Share of pieces that are shown as unknown, so that the words around speak."""


def make_tokenizer(folder: Path, recipe: Recipe, real: list[list[Sentence]]) -> list[int]:
    """Writes `tokenizer.json` with the most used pieces; returns MiniLM's id of each, in the new order."""
    path = base_folder() / "tokenizer.json"
    whole = TextTokenizer.from_file(path)
    counts = frequent_pieces(whole, (text for text, _ in epoch(real, "train", 0, share=1.0)))
    spec = json.loads(path.read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    by_id = {number: piece for piece, number in vocabulary.items()}
    needed = [
        piece
        for piece in vocabulary
        if piece in {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"} or len(piece.removeprefix("##")) == 1
    ]
    kept = dict.fromkeys(needed)
    for number, _ in counts.most_common():
        if len(kept) >= recipe.pieces:
            break
        kept.setdefault(by_id[number])
    ids = [vocabulary[piece] for piece in kept]
    spec["model"]["vocab"] = {piece: at for at, piece in enumerate(kept)}
    for token in spec["added_tokens"]:
        token["id"] = spec["model"]["vocab"][token["content"]]
    for token in spec.get("post_processor", {}).get("special_tokens", {}).values():
        token["ids"] = [spec["model"]["vocab"][name] for name in token["tokens"]]
    spec["truncation"] = spec["padding"] = None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    return ids


def prepare(recipe: Recipe, folder: Path) -> tuple[list[list[Sentence]], list[int]]:
    """The real notes as sentences and MiniLM's ids of the pieces; made once, then read from the folder."""
    path = folder / "prepared.pickle"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        real = real_notes("train", recipe.seed)
        path.write_bytes(pickle.dumps((real, make_tokenizer(folder, recipe, real))))
    real, ids = pickle.loads(path.read_bytes())  # noqa: S301 - our own file
    return real, ids


def windows(seed: int) -> Windows:
    """One epoch as framed windows: ids, mask, labels, INT64 [windows, 128] each, in random order."""
    rng, rows = np.random.default_rng(seed), []
    for text, unknown in epoch(_REAL, "train", seed):
        ids, labels = labelled(text, unknown, _TOKENIZER)
        for at in range(-int(rng.integers(0, ROOM // 2)), len(ids), ROOM):
            part = slice(max(at, 0), at + ROOM)
            if len(ids[part]) < 8:
                continue
            framed, mask, _ = _TOKENIZER.framed(ids[part], ROOM + 2)
            target = np.full(ROOM + 2, IGNORED, dtype=np.int64)
            target[1 : 1 + len(ids[part])] = labels[part]
            rows.append((framed, mask, target))
    order = rng.permutation(len(rows))
    first, second, third = (np.stack([rows[at][which] for at in order]) for which in range(3))
    return first, second, third


def _start_worker(folder: Path, recipe: Recipe) -> None:
    global _REAL, _TOKENIZER  # noqa: PLW0603 - each process of the pool reads them once
    _REAL, _ = prepare(recipe, folder)
    _TOKENIZER = TextTokenizer.from_file(folder / "tokenizer.json", has_word_shapes=True)


_REAL: list[list[Sentence]]
_TOKENIZER: TextTokenizer


def epochs(recipe: Recipe, folder: Path, first: int, processes: int) -> Iterator[Windows]:
    """The epochs from `first` on, each made by a process of its own ahead of time."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _start_worker, (folder, recipe), maxtasksperchild=50) as pool:
        yield from pool.imap(windows, range(first + 1, recipe.epochs + 1))


def parameter_groups(network: IdentifierTagger, recipe: Recipe) -> list[dict[str, object]]:
    """The nearer to the words, the smaller the step; the table stays, so that rare pieces stay comparable."""
    network.encoder.words.weight.requires_grad_(False)
    groups: list[dict[str, object]] = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        depth = (
            recipe.layers - 1 - int(name.split(".")[2])
            if name.startswith("encoder.layers.")
            else recipe.layers
            if name.startswith("encoder.")
            else 0
        )
        scale = recipe.layer_decay**depth * (1 if name.startswith("encoder.") else 5)
        decay = 0.0 if parameter.ndim < 2 else recipe.weight_decay
        groups.append({"params": [parameter], "lr": recipe.learning_rate * scale, "weight_decay": decay})
    return groups


def train(recipe: Recipe, folder: Path, processes: int) -> None:
    """Goes on from the last epoch of the folder."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe.seed)
    _, ids = prepare(recipe, folder)
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    network = IdentifierTagger.pretrained(ids, recipe.layers, recipe.dropout).to(device)
    optimizer = torch.optim.AdamW(parameter_groups(network, recipe))
    rates = [group["lr"] for group in optimizer.param_groups]
    first = 0
    state = checkpoint.load(folder / "best.pt", recipe)
    if state is not None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"]
    began = time.monotonic()
    for number, parts in enumerate(epochs(recipe, folder, first, processes), first + 1):
        inputs, masks, targets = (torch.from_numpy(part).to(device) for part in parts)
        network.train()
        losses = []
        starts = range(0, len(inputs), recipe.batch)
        for at in starts:
            done = (number - 1 + at / len(inputs)) / recipe.epochs
            scale = done / 0.05 if done < 0.05 else 0.5 * (1 + math.cos(math.pi * (done - 0.05) / 0.95))
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * scale
            part = slice(at, at + recipe.batch)
            batch = inputs[part]
            pieces = batch % network.vocabulary
            dropped = (torch.rand(batch.shape, device=device) < recipe.dropped_words) & (pieces > 4)
            batch = torch.where(dropped, batch - pieces + vocabulary["[UNK]"], batch)
            with torch.autocast(device.type, dtype=torch.bfloat16):
                logits = network(batch, masks[part])
            loss = functional.cross_entropy(
                logits.flatten(0, 1), targets[part].flatten(), ignore_index=IGNORED
            )
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(loss.detach())
        line = {"epoch": number, "windows": len(inputs), "loss": float(torch.stack(losses).mean())}
        print(json.dumps({**line, "seconds": round(time.monotonic() - began)}), flush=True)
        if number % 10 == 0 or number == recipe.epochs:
            checkpoint.save(
                folder / "best.pt",
                recipe,
                {
                    "network": network.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "vocabulary": len(ids),
                    "epoch": number,
                },
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--layers", type=int, default=Recipe.layers)
    parser.add_argument("--processes", type=int, default=2, help="that make epochs (default %(default)s)")
    arguments = parser.parse_args()
    train(Recipe(epochs=arguments.epochs, layers=arguments.layers), arguments.folder, arguments.processes)


if __name__ == "__main__":
    main()
