"""The denoising autoencoder: from a record with a part of its treatments hidden to the probability of each
treatment.

One hidden layer beside a linear path (Vincent et al., ICML 2008; for recommendation Liang et al., WWW 2018).
It is trained on both views of a patient (see `views`): the whole record with a random share of its treatments
hidden, and the record as of days on which treatments began. Visible treatments do not count in the loss.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from training import checkpoint
from training.treatment_ranker.rankers import Ranker, with_visible
from training.treatment_ranker.views import Views, hide_at_random


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the network is trained."""

    loss: str = "binary"
    """`binary` cross-entropy of each treatment, or `multinomial` over them as in Liang et al.; see `tune`."""
    hidden: int = 256
    dropout: float = 0.3
    input_dropout: float = 0.1
    epochs: int = 60
    batch: int = 128
    rate: float = 2e-3
    decay: float = 1e-4
    patience: int = 15
    """Epochs without a better validation loss after which training stops."""
    seed: int = 20240607


class Autoencoder(nn.Module):
    """Logits of the treatments: a linear path plus one hidden layer."""

    def __init__(self, feature_count: int, treatment_count: int, recipe: Recipe) -> None:
        super().__init__()
        self.linear = nn.Linear(feature_count, treatment_count)
        self.encode = nn.Linear(feature_count, recipe.hidden)
        self.decode = nn.Linear(recipe.hidden, treatment_count, bias=False)
        self.dropout = nn.Dropout(recipe.dropout)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.linear(features) + self.decode(self.dropout(torch.tanh(self.encode(features))))
        return logits


@dataclasses.dataclass(frozen=True)
class Examples:
    """What one epoch learns from."""

    features: NDArray[np.float32]
    visible: NDArray[np.bool_]
    hidden: NDArray[np.bool_]


def draw_examples(whole: Views, decision: Views, treatments: slice, rng: np.random.Generator) -> Examples:
    """One example of each kind a patient: the whole record with a random share hidden, and a random
    decision.
    """
    hidden = hide_at_random(whole.candidates, rng.uniform(0.0, 1.0, len(whole.owner)), rng)
    chosen = rng.choice(len(decision.owner), size=min(len(whole.owner), len(decision.owner)), replace=False)
    visible = np.vstack([whole.candidates & ~hidden, decision.before[chosen]])
    features = np.vstack([whole.features, decision.features[chosen]])
    return Examples(
        with_visible(features, visible, treatments), visible, np.vstack([hidden, decision.candidates[chosen]])
    )


def train(
    whole: Views, decision: Views, treatments: slice, recipe: Recipe, *, resume: Path | None = None
) -> Autoencoder:
    """Fit the network on these patients; a tenth of them decides when to stop.

    Deterministic from `recipe.seed`. With `resume` the state is written there after every epoch,
    and a training that was interrupted goes on from it: the result is the same.
    """
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rng = np.random.default_rng(recipe.seed)
    watched = np.unique(whole.owner)[rng.permutation(len(np.unique(whole.owner))) % 10 == 0]
    fit_views = (_without(whole, watched), _without(decision, watched))
    watch = _concatenate(
        [draw_examples(_only(whole, watched), _only(decision, watched), treatments, rng) for _ in range(4)]
    )
    network = Autoencoder(whole.features.shape[1], whole.candidates.shape[1], recipe).to(device)
    prior = np.clip(whole.candidates.mean(axis=0), 1e-3, 1 - 1e-3)
    with torch.no_grad():
        network.linear.bias.copy_(torch.tensor(np.log(prior / (1 - prior))))
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    steps = 2 * len(np.unique(fit_views[0].owner)) // recipe.batch + 1
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=recipe.epochs * steps)
    best, best_state, since, first = float("inf"), network.state_dict(), 0, 0
    saved = None if resume is None else checkpoint.load(resume, recipe)
    if saved is not None:
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        best, best_state, since, first = (
            saved["best"],
            saved["best_state"],
            saved["since"],
            saved["epoch"] + 1,
        )
    progress = tqdm(range(first, recipe.epochs), desc="denoising autoencoder", disable=resume is None)
    for epoch in progress:
        if since >= recipe.patience:
            break
        # The epoch's own generator: a resumed run draws what an uninterrupted one would have drawn.
        draw = np.random.default_rng((recipe.seed, epoch))
        torch.manual_seed(recipe.seed + epoch)
        examples = draw_examples(*fit_views, treatments, draw)
        order = draw.permutation(len(examples.features))
        network.train()
        for rows in np.array_split(order, steps):
            batch = Examples(examples.features[rows], examples.visible[rows], examples.hidden[rows])
            loss = _loss(network, batch, device, recipe, train=True)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            validation = float(_loss(network, watch, device, recipe, train=False))
        progress.set_postfix(validation=f"{validation:.4f}")
        if validation < best:
            best, since = validation, 0
            best_state = {name: value.clone() for name, value in network.state_dict().items()}
        else:
            since += 1
        if resume is not None:
            state = {
                "network": network.state_dict(),
                "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(),
                "best": best,
                "best_state": best_state,
                "since": since,
                "epoch": epoch,
            }
            checkpoint.save(resume, recipe, state)
    network.load_state_dict(best_state)
    return network.eval().cpu()


def ranker(network: Autoencoder, treatments: slice) -> Ranker:
    """The network's logits as a ranker."""

    def score(features: NDArray[np.float32], visible: NDArray[np.bool_]) -> NDArray[np.float64]:
        with torch.no_grad():
            logits = network(torch.from_numpy(with_visible(features, visible, treatments)))
        return logits.numpy().astype(np.float64)

    return score


def _loss(
    network: Autoencoder, examples: Examples, device: torch.device, recipe: Recipe, *, train: bool
) -> Tensor:
    """Cross-entropy over the treatments that are not visible, summed over them, mean over the examples."""
    features = torch.from_numpy(examples.features).to(device)
    if train:
        # Without rescaling: a feature that is missing is what serving will see, not a weaker one.
        features = features * (torch.rand_like(features) >= recipe.input_dropout)
    target = torch.from_numpy(examples.hidden.astype(np.float32)).to(device)
    visible = torch.from_numpy(examples.visible).to(device)
    logits = network(features)
    if recipe.loss == "multinomial":
        shares = torch.log_softmax(logits.masked_fill(visible, -1e9), dim=1)
        return -(shares * target).sum(dim=1).mean()
    losses = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (losses * ~visible).sum(dim=1).mean()


def _concatenate(parts: list[Examples]) -> Examples:
    return Examples(
        np.vstack([part.features for part in parts]),
        np.vstack([part.visible for part in parts]),
        np.vstack([part.hidden for part in parts]),
    )


def _only(views: Views, owners: NDArray[np.int64]) -> Views:
    return views.rows(np.isin(views.owner, owners))


def _without(views: Views, owners: NDArray[np.int64]) -> Views:
    return views.rows(~np.isin(views.owner, owners))
