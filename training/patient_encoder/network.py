"""The autoencoder of a record: features to a short representation and back.

Trained to reconstruct whole records from records with a part of their features blanked (a denoising
autoencoder, Vincent et al., ICML 2008). Conditions weigh most, since patients are compared by what they have.
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

from services.recommendation.features import FeatureEncoder
from training import checkpoint

REPRESENTATION_SIZE = 64
"""Numbers of a representation."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the network is trained."""

    hidden: int = 256
    blanked: float = 0.2
    """Share of the features that is blanked."""
    condition_weight: float = 10.0
    epochs: int = 150
    batch: int = 128
    rate: float = 2e-3
    decay: float = 1e-4
    patience: int = 30
    """Epochs without a better validation loss after which training stops."""
    seed: int = 20240607


class RecordAutoencoder(nn.Module):
    """`features` FP32 [n, F] to `representation` FP32 [n, d] of unit length and `reconstruction` FP32 [n, F].

    Reconstructed are probabilities of the features that are 0 or 1, and the values of the others.
    """

    continuous: Tensor

    def __init__(self, feature_count: int, continuous: NDArray[np.bool_], recipe: Recipe) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            nn.Linear(feature_count, recipe.hidden), nn.Tanh(), nn.Linear(recipe.hidden, REPRESENTATION_SIZE)
        )
        # The representation has unit length; the scale gives the decoder its range back.
        self.scale = nn.Parameter(torch.tensor(8.0))
        self.decode = nn.Sequential(
            nn.Linear(REPRESENTATION_SIZE, recipe.hidden), nn.Tanh(), nn.Linear(recipe.hidden, feature_count)
        )
        self.register_buffer("continuous", torch.from_numpy(continuous))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        representation, raw = self.raw(features)
        return representation, torch.where(self.continuous, raw, torch.sigmoid(raw))

    def raw(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The representation, and the reconstruction with logits in place of probabilities."""
        code = self.encode(features)
        # As x / |x|, spelled out: the exporter would split `normalize` into more operators.
        representation = code / torch.sqrt((code * code).sum(dim=1, keepdim=True) + 1e-12)
        return representation, self.decode(representation * self.scale)


def continuous_features(encoder: FeatureEncoder) -> NDArray[np.bool_]:
    """Which features are numbers and not flags, bool [F]."""
    return np.array(
        [name == "age" or name.endswith((":count", ":value")) for name in encoder.vocabulary.names()]
    )


def feature_weights(encoder: FeatureEncoder, recipe: Recipe) -> NDArray[np.float32]:
    """What each feature counts in the loss, FP32 [F]."""
    names = encoder.vocabulary.names()
    return np.array(
        [recipe.condition_weight if n.endswith(":ever") else 1.0 for n in names], dtype=np.float32
    )


def train(
    features: NDArray[np.float32], encoder: FeatureEncoder, recipe: Recipe, *, resume: Path | None = None
) -> RecordAutoencoder:
    """Fit the network on these records; a tenth of them decides when to stop.

    Deterministic from `recipe.seed`. With `resume` the state is written there after every epoch,
    and a training that was interrupted goes on from it: the result is the same.
    """
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    order = np.random.default_rng(recipe.seed).permutation(len(features))
    watch, fit = np.split(features[order], [len(features) // 10])
    weights = torch.from_numpy(feature_weights(encoder, recipe)).to(device)
    network = RecordAutoencoder(encoder.size, continuous_features(encoder), recipe).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    best, best_state, since, first = float("inf"), network.state_dict(), 0, 0
    saved = None if resume is None else checkpoint.load(resume, recipe)
    if saved is not None:
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        best, best_state, since, first = (
            saved["best"],
            saved["best_state"],
            saved["since"],
            saved["epoch"] + 1,
        )
    progress = tqdm(range(first, recipe.epochs), desc="record autoencoder", disable=resume is None)
    for epoch in progress:
        if since >= recipe.patience:
            break
        # The epoch's own generators: a resumed run draws what an uninterrupted one would have drawn.
        torch.manual_seed(recipe.seed + epoch)
        rows = np.random.default_rng((recipe.seed, epoch)).permutation(len(fit))
        network.train()
        for batch in np.array_split(rows, len(fit) // recipe.batch + 1):
            whole = torch.from_numpy(fit[batch]).to(device)
            blanked = whole * (torch.rand_like(whole) >= recipe.blanked)
            loss = _loss(network, blanked, whole, weights)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            shown = torch.from_numpy(watch).to(device)
            validation = float(_loss(network, shown, shown, weights))
        progress.set_postfix(validation=f"{validation:.3f}")
        since += 1
        if validation < best:
            best, since = validation, 0
            best_state = {name: value.clone() for name, value in network.state_dict().items()}
        if resume is not None:
            state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "best": best}
            state |= {"best_state": best_state, "since": since, "epoch": epoch}
            checkpoint.save(resume, recipe, state)
    network.load_state_dict(best_state)
    return network.eval().cpu()


def _loss(network: RecordAutoencoder, shown: Tensor, whole: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy of the flags plus squared error of the numbers, summed over features."""
    _, raw = network.raw(shown)
    flags = functional.binary_cross_entropy_with_logits(raw, whole.clamp(0, 1), reduction="none")
    losses = torch.where(network.continuous, (raw - whole) ** 2, flags)
    return (losses * weights).sum(dim=1).mean()
