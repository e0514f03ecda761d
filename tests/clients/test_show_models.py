"""What people read of the models: goldens of the catalog and of a card."""

from __future__ import annotations

import re

from clients.cli.show import models
from medmesh.common.v1.catalog_pb2 import ListModelsResponse, ModelSummary
from medmesh.common.v1.model_card_pb2 import Change, Dataset, Metric, ModelCard, TensorContract
from tests.clients.golden import assert_golden
from tests.clients.test_show import text_of


def test_the_catalog_says_what_is_not_served_and_why():
    answer = ListModelsResponse(
        models=[
            ModelSummary(
                name="chest_xray",
                service="imaging",
                card_version="1.0.0",
                summary="Reads X-rays.",
                ready=True,
            ),
            ModelSummary(
                name="head_ct",
                service="imaging",
                card_version="1.0.0",
                summary="Reads CT.",
                reason="No weights.",
            ),
        ],
        unreachable_services=["language"],
    )
    assert_golden("models", text_of(models.catalog(answer)))


def test_a_card_says_everything():
    card = ModelCard(
        name="chest_xray",
        version="1.2.0",
        summary="Tells normal, bacterial and viral pneumonia apart on chest X-rays of children.",
        intended_use="Research only. Not for diagnosis.",
        architecture="ResNet, 2.8 M parameters, trained from scratch.",
        serving={
            "preprocessing_version": "image/1",
            "image_classification": {
                "labels": [{"name": "normal"}, {"name": "bacterial_pneumonia"}, {"name": "viral_pneumonia"}]
            },
        },
        datasets=[
            Dataset(
                name="Kermany 2018",
                source="Mendeley Data",
                licence="CC-BY-4.0",
                population="Children of 1 to 5 years",
            )
        ],
        metrics=[
            Metric(
                name="auroc_normal_vs_pneumonia",
                value=0.987,
                ci_low=0.981,
                ci_high=0.992,
                case_count=517,
                measured_on="Kermany 2018, val",
                published="0.968, Kermany 2018",
            ),
            Metric(
                name="ece",
                value=0.021,
                case_count=517,
                measured_on="Kermany 2018, val",
                subgroup="sex=female",
            ),
        ],
        calibration="Temperature 1.3, fitted on a calibration split.",
        limitations=["Children of one hospital.", "Frontal views only."],
        inputs=[
            TensorContract(name="image", datatype="UINT8", shape=[1, -1, 224], description="Grey values.")
        ],
        outputs=[TensorContract(name="logits", datatype="FP32", shape=[3], description="Unscaled.")],
        weights_sha256="ab" * 32,
        precision="int8",
        licence="CC-BY-4.0",
        reproduce="make train MODEL=chest_xray, seed 7",
        changelog=[
            Change(version="1.2.0", description="Better."),
            Change(version="1.0.0", description="First."),
        ],
    )
    text = text_of(models.card(card))
    assert_golden("card", text)
    words = re.sub(r"\s+", " ", text)
    for said in (card.summary, card.intended_use, *card.limitations, card.calibration, card.reproduce):
        assert said in words
