"""Both precisions of a network as ONNX Runtime runs them, and what the card says of them; needs torch."""

from __future__ import annotations

import numpy as np
import pytest

NEEDED = "is not here: make test-training"
torch = pytest.importorskip("torch", reason=f"torch {NEEDED}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime {NEEDED}")

from medmesh.common.v1.model_card_pb2 import Metric  # noqa: E402 - torch decides whether there is anything to export
from training import precisions  # noqa: E402 - torch decides whether there is anything to export
from training.icu_outcome.network import IcuNetwork  # noqa: E402 - torch decides whether there is anything to export
from training.icu_outcome.preparation import HOUR_COUNT, STATIC_NAMES, VARIABLE_COUNT  # noqa: E402 - torch decides whether there is anything to export
from training.onnx_runtime import PRECISIONS  # noqa: E402 - torch decides whether there is anything to export

ROWS = 12


@pytest.fixture
def network():
    """The network with a recurrent part; random weights, scaling as after training."""
    torch.manual_seed(0)
    made = IcuNetwork()
    rng = np.random.default_rng(0)
    made.scaling.fit(rng.normal(size=(500, VARIABLE_COUNT)).astype(np.float32))
    made.static_scaling.fit(rng.normal(size=(500, len(STATIC_NAMES))).astype(np.float32))
    return made.eval()


@pytest.fixture
def stays():
    rng = np.random.default_rng(1)
    series = (ROWS, HOUR_COUNT, VARIABLE_COUNT)
    return {
        "values": rng.normal(size=series).astype(np.float32),
        "observed": (rng.random(series) < 0.3).astype(np.float32),
        "gap_hours": rng.integers(0, HOUR_COUNT, series).astype(np.float32),
        "static": rng.normal(size=(ROWS, len(STATIC_NAMES))).astype(np.float32),
    }


def test_int8_is_smaller_and_stays_near(network, stays):
    graphs = precisions.both(network, stays, ["logit"])
    (exact,), (rough,) = (graphs[name].run(stays) for name in ("fp32", "int8"))
    assert len(graphs["int8"].content) < 0.6 * len(graphs["fp32"].content)
    assert 0 < np.abs(exact - rough).max() < 0.05 * np.ptp(exact)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_answer_does_not_depend_on_its_company(network, stays, precision):
    graph = precisions.Graph(network, stays, ["logit"], precision)
    (together,) = graph.run(stays)
    (alone,) = graph.run({name: rows[4:5] for name, rows in stays.items()})
    np.testing.assert_allclose(alone, together[4:5], atol=1e-5)


def test_the_file_is_the_graph(network, stays, tmp_path):
    graph = precisions.Graph(network, stays, ["logit"], "int8")
    graph.save(tmp_path / "1" / "model.onnx")
    assert (tmp_path / "1" / "model.onnx").read_bytes() == graph.content


def test_a_graph_that_answers_otherwise_than_torch_is_refused(network, stays, monkeypatch):
    monkeypatch.setattr(precisions, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(SystemExit, match="logit of the exported graph differs"):
        precisions.Graph(network, stays, ["logit"])


def figures(value):
    return [
        Metric(name="auroc", value=value),
        Metric(name="auroc", value=0.1, subgroup="sex=female"),
        Metric(name="f1", value=0.5),
    ]


def test_the_card_holds_all_figures_of_one_precision_and_the_compared_ones_of_the_other():
    measured = {"fp32": figures(0.850), "int8": figures(0.847)}
    for chosen, other in (("fp32", "int8"), ("int8", "fp32")):
        assert precisions.card_metrics(chosen, measured, ["auroc"]) == [*measured[chosen], measured[other][0]]


def test_int8_that_moves_a_figure_too_far_is_not_exported():
    measured = {"fp32": figures(0.850), "int8": figures(0.844)}
    with pytest.raises(SystemExit, match=r"auroc by more than 0\.005"):
        precisions.card_metrics("int8", measured, ["auroc"])
    assert len(precisions.card_metrics("fp32", measured, ["auroc"])) == 4


def test_the_card_says_what_int8_costs(network, stays):
    graphs = precisions.both(network, stays, ["logit"])
    text = precisions.card_precision("fp32", graphs, stays, rounds=3)
    sizes = {name: len(graph.content) / 1e6 for name, graph in graphs.items()}
    assert text.startswith("fp32; int8 weights")
    assert f"need {sizes['int8']:.2f} MB instead of {sizes['fp32']:.2f}" in text
