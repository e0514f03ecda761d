"""The ICU prognosis as it is served: it ranks, and its explanation is faithful."""

from __future__ import annotations

import numpy as np
import pytest

from services.clinical.log_odds import log_odds
from services.recommendation.outcome import predict_outcome
from services.recommendation.series import IcuStay
from tests.recommendation.stays import USUAL, card_parameters, stay

pytestmark = pytest.mark.live

PARAMETERS = card_parameters()


def without(of: IcuStay, variables: set[str]) -> IcuStay:
    kept = [m for m in of.measurements if m.variable not in variables]
    return IcuStay(kept, of.age_years, of.male, of.height_cm, of.unit)


async def test_failing_vital_functions_raise_the_risk(live):
    for seed in range(5):
        usual = await predict_outcome(live, stay(seed), PARAMETERS)
        grave = await predict_outcome(live, stay(seed, grave=True), PARAMETERS)
        assert grave.death_probability > 3 * usual.death_probability


async def test_age_raises_the_risk(live):
    for seed in range(5):
        young = await predict_outcome(live, stay(seed, age_years=30), PARAMETERS)
        old = await predict_outcome(live, stay(seed, age_years=88), PARAMETERS)
        assert old.death_probability > young.death_probability


async def test_removing_what_the_explanation_names_moves_the_risk_more_than_removing_as_much_at_random(live):
    named_moves, random_moves = [], []
    rng = np.random.default_rng(0)
    for seed in range(6):
        of = stay(seed, grave=seed % 2 == 0)
        outcome = await predict_outcome(live, of, PARAMETERS)
        named = [v.variable for v in outcome.variables[:3]]
        others = sorted(set(USUAL) - set(named))
        for moves, removed in ((named_moves, named), (random_moves, rng.choice(others, 3, replace=False))):
            after = await predict_outcome(live, without(of, set(removed)), PARAMETERS)
            moves.append(abs(log_odds(outcome.death_probability) - log_odds(after.death_probability)))
    assert np.mean(named_moves) > 1.5 * np.mean(random_moves)
