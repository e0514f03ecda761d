"""Trains the ICU prognosis: five groups of networks, each on four fifths of the stays; each stay is held out
once.

`python -m training.icu_outcome.train` resumes where an interruption left it; `evaluate` and `export` follow.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, train_test_split
from torch import Tensor, nn
from tqdm import tqdm

from training import checkpoint
from training.icu_outcome.dataset import IcuData, load
from training.icu_outcome.network import IcuNetwork
from training.icu_outcome.preparation import HOUR_COUNT, PREPARATION, VARIABLE_COUNT

RUN = Path(__file__).resolve().parents[1] / "runs" / "icu_outcome"
FOLD_COUNT = 5
MEMBER_COUNT = 3
"""Networks in a group: they differ in their start and in the tenth that stops their training."""


@dataclass(frozen=True)
class Recipe:
    """What the training is made of."""

    seed: int = 0
    epoch_count: int = 12
    patience: int = 5
    """Epochs without a lower loss on the inner validation tenth before the training stops."""
    batch_size: int = 64
    learning_rate: float = 3e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 0.01
    variable_dropout: float = 0.1
    """Share of variables that are hidden from a training sample, so that the network does not lean on one
    alone.
    """


def folds(data: IcuData, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of (training, held-out) row numbers; the same for train, evaluate and export."""
    yield from StratifiedKFold(FOLD_COUNT, shuffle=True, random_state=seed).split(data.died, data.died)


def hide_variables(batch: list[Tensor], share: float) -> list[Tensor]:
    """Makes a random `share` of each sample's variables look as if they had never been measured."""
    values, observed, gap_hours, static = batch
    hidden = torch.rand(len(values), 1, VARIABLE_COUNT, device=values.device) < share
    return [
        values.masked_fill(hidden, float("nan")),
        observed.masked_fill(hidden, 0.0),
        gap_hours.masked_fill(hidden, float(HOUR_COUNT)),
        static,
    ]


def predict(network: IcuNetwork, inputs: list[Tensor]) -> NDArray[np.float64]:
    """Logits of death, [N]."""
    network.eval()
    with torch.no_grad():
        return network(*inputs).cpu().numpy().astype(np.float64)


def is_finished(state: dict[str, Any], recipe: Recipe) -> bool:
    """Whether the training that left this state is over."""
    since_best: int = state["epoch"] - state["best_epoch"]
    return state["epoch"] >= recipe.epoch_count or since_best > recipe.patience


def train_network(data: IcuData, rows: NDArray[np.int64], path: Path, recipe: Recipe, title: str) -> None:
    """Trains one network on `rows` and leaves its best state in the checkpoint `path` under `best`.

    Goes on from that checkpoint where an earlier call was interrupted: the result is the same.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    inputs = [torch.from_numpy(t).to(device) for t in PREPARATION.tensors(data.hourly, data.static).values()]
    died = torch.from_numpy(data.died).float().to(device)
    rows, inner = train_test_split(rows, test_size=0.1, stratify=data.died[rows], random_state=recipe.seed)
    torch.manual_seed(recipe.seed)
    network = IcuNetwork().to(device)
    network.scaling.fit(data.hourly[rows].reshape(-1, VARIABLE_COUNT))
    network.static_scaling.fit(data.static[rows])
    # Deaths are 14 %: plain cross-entropy keeps the probabilities honest, and ranking (AUROC) does not gain
    # from weights.
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        recipe.learning_rate,
        epochs=recipe.epoch_count,
        steps_per_epoch=-(-len(rows) // recipe.batch_size),
    )
    state = checkpoint.load(path, recipe)
    if state is None:
        state = {"epoch": 0, "best_loss": float("inf"), "best_epoch": 0, "best": network.state_dict()}
    else:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
    while not is_finished(state, recipe):
        epoch = state["epoch"]
        # Seeded by epoch: a resumed training draws what an uninterrupted one would have drawn.
        torch.manual_seed(recipe.seed * 1000 + epoch)
        network.train()
        batches = np.random.default_rng([recipe.seed, epoch]).permutation(rows)
        for start in tqdm(
            range(0, len(batches), recipe.batch_size), desc=f"{title} epoch {epoch + 1}", leave=False
        ):
            chosen = torch.from_numpy(batches[start : start + recipe.batch_size])
            batch = hide_variables([t[chosen] for t in inputs], recipe.variable_dropout)
            loss = criterion(network(*batch), died[chosen])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        logits = predict(network, [t[inner] for t in inputs])
        inner_loss = float(log_loss(data.died[inner], 1 / (1 + np.exp(-logits))))
        tqdm.write(f"{title} epoch {epoch + 1}: inner validation loss {inner_loss:.4f}")
        if inner_loss < state["best_loss"]:
            best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            state |= {"best_loss": inner_loss, "best_epoch": epoch, "best": best}
        state |= {
            "epoch": epoch + 1,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
        }
        checkpoint.save(path, recipe, state)


def checkpoint_path(work: Path, fold: int, member: int) -> Path:
    """Where a network's state is kept."""
    return work / f"fold{fold}-member{member}.pt"


def member_seed(seed: int, member: int) -> int:
    """The seed of one network of each group, when that of the training is `seed`."""
    return seed * MEMBER_COUNT + member


def load_networks(work: Path, seed: int) -> list[list[IcuNetwork]]:
    """The networks that `main` left, by fold, in evaluation mode.

    Exits where one is missing, was not trained to its end, or comes from another seed: other seeds have other
    folds, so that the networks would be measured on stays that they have seen.
    """
    groups = []
    for fold in range(FOLD_COUNT):
        group = []
        for member in range(MEMBER_COUNT):
            path = checkpoint_path(work, fold, member)
            if not path.is_file():
                raise SystemExit(f"{path} is missing: train first")
            state = torch.load(path, map_location="cpu", weights_only=True)
            recipe = Recipe(**state["recipe"])
            if recipe.seed != member_seed(seed, member):
                raise SystemExit(f"{path} was trained with another seed than {seed}")
            if not is_finished(state, recipe):
                raise SystemExit(f"{path} is not trained to its end: train again, it goes on from there")
            network = IcuNetwork()
            network.load_state_dict(state["best"])
            group.append(network.eval())
        groups.append(group)
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=RUN, help="folder of checkpoints (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--epochs", type=int, default=Recipe.epoch_count)
    arguments = parser.parse_args()
    # More threads add up in another order, and so to other weights.
    torch.set_num_threads(1)
    arguments.run.mkdir(parents=True, exist_ok=True)
    data = load(cache=arguments.run / "hourly.npz")
    for fold, (rows, _) in enumerate(folds(data, arguments.seed)):
        for member in range(MEMBER_COUNT):
            recipe = Recipe(seed=member_seed(arguments.seed, member), epoch_count=arguments.epochs)
            title = f"fold {fold + 1}/{FOLD_COUNT} network {member + 1}/{MEMBER_COUNT}"
            train_network(data, rows, checkpoint_path(arguments.run, fold, member), recipe, title)


if __name__ == "__main__":
    main()
