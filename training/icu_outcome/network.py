"""The recurrent network of the ICU prognosis: raw units in, a probability out."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.icu_outcome.preparation import HOUR_COUNT, STATIC_NAMES, VARIABLE_COUNT


class Scaling(nn.Module):
    """Standardises after clipping to the training set's 0.5th and 99.5th percentile; what is missing becomes
    0, the mean.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.low: Tensor
        self.high: Tensor
        self.mean: Tensor
        self.deviation: Tensor
        for name, value in (("low", -1.0), ("high", 1.0), ("mean", 0.0), ("deviation", 1.0)):
            self.register_buffer(name, torch.full((width,), value))

    def fit(self, samples: NDArray[np.float32]) -> None:
        """Takes the statistics of `samples`, float32 [n, width], without the NaN."""
        low, high = np.nanpercentile(samples, [0.5, 99.5], axis=0)
        clipped = np.clip(samples, low, high)
        deviation = np.nanstd(clipped, axis=0)
        for name, value in (
            ("low", low),
            ("high", high),
            ("mean", np.nanmean(clipped, axis=0)),
            ("deviation", np.where(deviation > 1e-6, deviation, 1.0)),
        ):
            getattr(self, name).copy_(torch.from_numpy(np.asarray(value, np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        missing = torch.isnan(x)
        x = torch.where(missing, self.mean, x)
        x = torch.minimum(torch.maximum(x, self.low), self.high)
        return (x - self.mean) / self.deviation


class IcuNetwork(nn.Module):
    """GRU over the hours, beside summaries of each variable over the whole stay.

    `forward` takes the tensors of `SeriesPreparation.tensors` and returns the logit of death, [N].
    """

    def __init__(self, hidden: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        width = VARIABLE_COUNT
        self.scaling = Scaling(width)
        self.static_scaling = Scaling(len(STATIC_NAMES))
        static_width = 2 * len(STATIC_NAMES)
        self.decay = nn.Parameter(torch.full((width,), 0.1))
        self.step = nn.Sequential(nn.Linear(3 * width, hidden), nn.Dropout(dropout))
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        summary_width = 6 * width + static_width
        self.summary = nn.Sequential(nn.Dropout(dropout), nn.Linear(summary_width, hidden), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(4 * hidden, 1))

    def forward(self, values: Tensor, observed: Tensor, gap_hours: Tensor, static: Tensor) -> Tensor:
        scaled = self.scaling(values)
        # A value carried forward loses weight with its age, as GRU-D's input decay.
        fresh = scaled * torch.exp(-torch.relu(self.decay) * gap_hours)
        hidden, _ = self.gru(self.step(torch.cat([fresh, observed, torch.exp(-gap_hours / 12)], dim=2)))
        hidden = cast(Tensor, hidden)
        profile = self.summary(torch.cat([self._summaries(scaled, observed), self._static(static)], dim=1))
        state = torch.cat([hidden[:, -1], hidden.mean(dim=1), hidden.amax(dim=1), profile], dim=1)
        return cast(Tensor, self.head(state)).squeeze(1)

    def _static(self, static: Tensor) -> Tensor:
        return torch.cat([self.static_scaling(static), torch.isnan(static).float()], dim=1)

    @staticmethod
    def _summaries(scaled: Tensor, observed: Tensor) -> Tensor:
        """Mean, lowest, highest, last and first-to-last change of each variable, and how often it was
        measured.
        """
        count = observed.sum(dim=1)
        any_observed = (count > 0).float()
        mean = (scaled * observed).sum(dim=1) / count.clamp(min=1)
        low = torch.where(observed > 0, scaled, torch.full_like(scaled, 1e3)).amin(dim=1) * any_observed
        high = torch.where(observed > 0, scaled, torch.full_like(scaled, -1e3)).amax(dim=1) * any_observed
        last = scaled[:, -1]
        # Before the first measurement `scaled` is 0, the mean: half-day means tell the trend.
        half = HOUR_COUNT // 2
        early, late = observed[:, :half], observed[:, half:]
        early_mean = (scaled[:, :half] * early).sum(dim=1) / early.sum(dim=1).clamp(min=1)
        late_mean = (scaled[:, half:] * late).sum(dim=1) / late.sum(dim=1).clamp(min=1)
        both = (early.sum(dim=1) > 0).float() * (late.sum(dim=1) > 0).float()
        return torch.cat(
            [mean, low, high, last, (late_mean - early_mean) * both, torch.log1p(count) / 2], dim=1
        )
