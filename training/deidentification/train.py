"""Trains the tagger of identifiers: `python -m training.deidentification.train`.

Word pieces are those of MiniLM that the notes of `train` and the names use most; their table begins as MiniLM's, by its 64
main components. Each epoch sets other identifiers into the notes.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

from services.language.tokenization import TextTokenizer
from training import checkpoint
from training.deidentification.corpus import IGNORED, Sentence, epoch, frequent_pieces, labelled, real_notes
from training.deidentification.network import EMBEDDING, IdentifierTagger
from training.minilm import base_folder

WINDOW = 126
FOLDER = Path("training/runs/deidentification")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out."""

    seed: int = 11
    epochs: int = 6
    pieces: int = 8000
    batch: int = 24
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    dropout: float = 0.15
    dropped_words: float = 0.05
    """Share of words that are shown as unknown, so that the words around speak."""


def make_tokenizer(folder: Path, recipe: Recipe, real: list[list[Sentence]]) -> list[int]:
    """Writes `tokenizer.json` with the most used pieces; returns MiniLM's id of each, in the new order."""
    path = base_folder() / "tokenizer.json"
    whole = TextTokenizer.from_file(path)
    counts = frequent_pieces(whole, (text for text, _ in epoch(real, "train", 0, share=1.0)))
    spec = json.loads(path.read_text())
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    by_id = {number: piece for piece, number in vocabulary.items()}
    needed = [
        piece
        for piece in vocabulary
        if piece in {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
        or (len(piece.removeprefix("##")) == 1 and piece.isascii())
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
    post = spec.get("post_processor", {})
    for token in post.get("special_tokens", {}).values():
        token["ids"] = [spec["model"]["vocab"][name] for name in token["tokens"]]
    spec["truncation"] = spec["padding"] = None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(spec, ensure_ascii=False))
    Tokenizer.from_file(str(folder / "tokenizer.json"))
    return ids


def start(ids: list[int], recipe: Recipe) -> IdentifierTagger:
    """The untrained network, its table MiniLM's by its main components."""
    torch.manual_seed(recipe.seed)
    network = IdentifierTagger(len(ids), recipe.dropout)
    weights = load_file(base_folder() / "model.safetensors")
    name = next(key for key in weights if key.endswith("word_embeddings.weight"))
    table = weights[name].float()[ids]
    table -= table.mean(dim=0)
    _, _, components = torch.pca_lowrank(table, q=EMBEDDING)
    reduced = table @ components
    with torch.no_grad():
        network.words.weight.copy_(reduced / reduced.std() * 0.5)
        network.shapes.weight.mul_(0.3)
    return network


def windows(
    part: str, real: list, tokenizer: TextTokenizer, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One epoch as framed windows: ids, mask, labels, INT64 [windows, 128] each, in random order."""
    rng = np.random.default_rng(seed)
    rows = []
    for text, unknown in epoch(real, part, seed):
        ids, labels = labelled(text, unknown, tokenizer)
        first = -int(rng.integers(0, WINDOW // 2))
        for at in range(first, len(ids), WINDOW):
            own, tags = ids[max(at, 0) : at + WINDOW], labels[max(at, 0) : at + WINDOW]
            if len(own) < 8:
                continue
            framed, mask, _ = tokenizer.framed(own, WINDOW + 2)
            target = np.full(WINDOW + 2, IGNORED, dtype=np.int64)
            target[1 : 1 + len(own)] = tags
            rows.append((framed, mask, target))
    order = rng.permutation(len(rows))
    return tuple(np.stack([rows[at][part_] for at in order]) for part_ in range(3))  # type: ignore[return-value]


def prepare(recipe: Recipe, folder: Path) -> tuple[list[list[Sentence]], list[int]]:
    """The real notes as sentences and MiniLM's ids of the pieces; made once, then read from the folder."""
    path = folder / "prepared.pickle"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        real = real_notes("train", recipe.seed)
        path.write_bytes(pickle.dumps((real, make_tokenizer(folder, recipe, real))))
    real, ids = pickle.loads(path.read_bytes())  # noqa: S301 - our own file
    return real, ids


def train(recipe: Recipe, folder: Path, most_epochs: int) -> None:
    """Goes on from the last epoch of the folder, for at most so many epochs more."""
    torch.set_num_threads(1)
    real, ids = prepare(recipe, folder)
    tokenizer = TextTokenizer.from_file(folder / "tokenizer.json", has_word_shapes=True)
    unknown_id = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]["[UNK]"]
    network = start(ids, recipe)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    rng = torch.Generator().manual_seed(recipe.seed)
    step = done_epochs = 0
    state = checkpoint.load(folder / "best.pt", recipe)
    if state is not None:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        step, done_epochs = state["step"], state["epoch"]
    began = time.monotonic()
    for number in range(done_epochs, min(recipe.epochs, done_epochs + most_epochs)):
        inputs, masks, targets = (
            torch.from_numpy(part) for part in windows("train", real, tokenizer, number + 1)
        )
        total = math.ceil(len(inputs) / recipe.batch) * recipe.epochs
        network.train()
        losses = []
        for at in range(0, len(inputs), recipe.batch):
            done = min(step / total, 1.0)
            rate = recipe.learning_rate * (
                done / 0.05 if done < 0.05 else 0.5 * (1 + math.cos(math.pi * (done - 0.05) / 0.95))
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = inputs[at : at + recipe.batch].clone()
            dropped = torch.rand(batch.shape, generator=rng) < recipe.dropped_words
            shapes = torch.div(batch, network.vocabulary, rounding_mode="floor")
            batch = torch.where(
                dropped & (batch % network.vocabulary > 4), shapes * network.vocabulary + unknown_id, batch
            )
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = network(batch, masks[at : at + recipe.batch]).float()
            loss = functional.cross_entropy(
                logits.reshape(-1, logits.shape[-1]),
                targets[at : at + recipe.batch].reshape(-1),
                ignore_index=IGNORED,
            )
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(float(loss.detach()))
            step += 1
        print(
            json.dumps(
                {
                    "epoch": number + 1,
                    "windows": len(inputs),
                    "loss": float(np.mean(losses)),
                    "seconds": round(time.monotonic() - began),
                }
            ),
            flush=True,
        )
        checkpoint.save(
            folder / "best.pt",
            recipe,
            {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "vocabulary": len(ids),
                "step": step,
                "epoch": number + 1,
            },
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument(
        "--most-epochs", type=int, default=1000, help="stop after so many; the next run goes on"
    )
    arguments = parser.parse_args()
    train(Recipe(epochs=arguments.epochs), arguments.folder, arguments.most_epochs)


if __name__ == "__main__":
    main()
