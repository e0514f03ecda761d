"""MONAI bundles as `monai.bundle` lays them out, with small networks of random weights."""

from __future__ import annotations

import io
import json
import warnings
import zipfile

import torch
from torch import nn

VERSIONS = {"0.2.1": "a test's weights", "0.10.0": "newer weights", "0.1.0": "first"}


class Classifier(nn.Module):
    """Tells the two sides of a plane apart, so that a swapped plane gives another answer."""

    def __init__(self, channels, labels, height, width):
        super().__init__()
        torch.manual_seed(0)
        self.flat = nn.Linear(channels * height * width, labels)

    def forward(self, image):
        return self.flat(image.flatten(1)) / 10


class Segmenter(nn.Module):
    """A convolution whose kernel has a direction."""

    def __init__(self, channels, labels, dimensions):
        super().__init__()
        torch.manual_seed(0)
        kind = nn.Conv2d if dimensions == 2 else nn.Conv3d
        self.convolution = kind(channels, labels, 3, padding=1)

    def forward(self, image):
        return self.convolution(image)


def metadata(*, output, channels=3, spatial=(48, 36), modality="XR", kind="rgb", version="0.10.0"):
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta.json",
        "version": version,
        "changelog": VERSIONS,
        "monai_version": "1.4.0",
        "name": "A test",
        "task": "A task of a test",
        "description": "A network of a test, with random weights.",
        "data_source": "none, the weights are random",
        "intended_use": "To try the import only, its answers mean nothing.",
        "eval_metrics": {"mean_dice": 0.5},
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": kind,
                    "modality": modality,
                    "num_channels": channels,
                    "spatial_shape": list(spatial),
                    "dtype": "float32",
                    "value_range": [0, 1],
                }
            },
            "outputs": {"pred": output},
        },
    }


CLASSES = {
    "type": "probabilities",
    "format": "classes",
    "num_channels": 2,
    "channel_def": {"0": "normal", "1": "pneumonia"},
}
MASKS = {
    "type": "image",
    "format": "segmentation",
    "num_channels": 2,
    "channel_def": {"0": "background", "1": "lung"},
}


def inference(*transforms, setting="softmax", inferer=None, **more):
    """`configs/inference.json` with these transforms after those that load an image."""
    loading = [
        {"_target_": "LoadImaged", "keys": "@key"},
        {"_target_": "EnsureChannelFirstd", "keys": "@key"},
    ]
    return {
        "imports": ["$import glob"],
        "key": "image",
        "dataset_dir": "/workspace/data",
        "datalist": "$list(glob.glob(@dataset_dir + '/*.png'))",
        "network_def": {"_target_": "UNet", "spatial_dims": 2},
        "preprocessing": {"_target_": "Compose", "transforms": [*loading, *transforms]},
        "inferer": inferer or {"_target_": "SimpleInferer"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": "Activationsd", "keys": "pred", setting: True}],
        },
        **more,
    }


def script(network, example):
    """TorchScript, as `ckpt_export` makes it."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(network.eval(), example), out)
    return out.getvalue()


def onnx_file(network, example, names=("image", "pred")):
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            (example,),
            out,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_axes={name: {0: "batch"} for name in names},
            opset_version=17,
            dynamo=False,
        )
    return out.getvalue()


def write(folder, about, configuration, **weights):
    """A bundle's folder; `weights` by suffix, `ts` or `onnx`."""
    for name, content in (("metadata", about), ("inference", configuration)):
        path = folder / "configs" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (folder / "models").mkdir()
    for suffix, content in weights.items():
        (folder / "models" / f"model.{suffix}").write_bytes(content)
    return folder


def zipped(folder, path):
    """The same as a zip, in a folder of its own."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            if file.is_file():
                archive.write(file, f"{folder.name}/{file.relative_to(folder)}")
    return path


def plane_classifier(folder):
    """Two labels of a coloured plane, 48 wide and 36 high; in TorchScript."""
    network = Classifier(3, 2, 48, 36)
    configuration = inference(
        {
            "_target_": "ScaleIntensityRanged",
            "keys": "@key",
            "a_min": 0,
            "a_max": 255,
            "b_min": 0,
            "b_max": 1,
        },
        {"_target_": "Resized", "keys": "@key", "spatial_size": [48, 36], "mode": "bilinear"},
        {"_target_": "NormalizeIntensityd", "keys": "@key", "subtrahend": [0.5] * 3, "divisor": [0.25] * 3},
    )
    weights = script(network, torch.zeros(1, 3, 48, 36))
    return write(folder, metadata(output=CLASSES), configuration, ts=weights)


def plane_segmenter(folder):
    """Masks of a coloured plane; in ONNX."""
    configuration = inference(
        {"_target_": "Resized", "keys": "@key", "spatial_size": [48, 36], "mode": "bilinear"},
        {"_target_": "ScaleIntensityd", "keys": "@key"},
    )
    weights = onnx_file(Segmenter(3, 2, 2), torch.zeros(1, 3, 48, 36))
    return write(folder, metadata(output=MASKS), configuration, onnx=weights)


def volume_segmenter(folder, size=(16, 20, 12)):
    """Masks of a CT volume, in TorchScript."""
    configuration = inference(
        {"_target_": "Orientationd", "keys": "@key", "axcodes": "RAS"},
        {"_target_": "Spacingd", "keys": "@key", "pixdim": [2.0, 2.0, 3.0], "mode": "bilinear"},
        {
            "_target_": "ScaleIntensityRanged",
            "keys": "@key",
            "a_min": -57,
            "a_max": 164,
            "b_min": 0,
            "b_max": 1,
            "clip": True,
        },
        {"_target_": "Resized", "keys": "@key", "spatial_size": list(size), "mode": "trilinear"},
    )
    about = metadata(output=MASKS, channels=1, spatial=size, modality="CT", kind="hounsfield")
    weights = script(Segmenter(1, 2, 3), torch.zeros(1, 1, *size))
    return write(folder, about, configuration, ts=weights)
