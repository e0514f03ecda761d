"""What every kind of checkpoint shares: `config.json`, the weights, what `README.md` says, and the export."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
import yaml  # type: ignore[import-untyped]
from torch import Tensor, nn

from training.importing import Refused
from training.importing.graph import Arrays
from training.importing.paths import Facts
from training.importing.torch_export import to_onnx

SAFE, PLAIN = "model.safetensors", "pytorch_model.bin"
NAMELESS = re.compile(r"LABEL_\d+")
"""What transformers calls labels that nobody has named."""


class Checkpoint:
    """A checkpoint and its network (`training.importing.source.Source`, all but what its kind knows)."""

    output: str
    """Name of the output tensor."""
    axes: Mapping[str, Mapping[int, str]]
    """Free axes of each tensor, inputs and output."""
    network: nn.Module
    """Takes the inputs in the order of `axes`, and gives the output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = read_json(folder / "config.json")
        if "auto_map" in self.config:
            raise Refused(f"{folder} brings code of its own (auto_map), which is never run")
        if not any((folder / name).is_file() for name in (SAFE, PLAIN)):
            raise Refused(f"{folder} holds neither {SAFE} nor {PLAIN} (weights in one file)")

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the input tensors."""
        return [name for name in self.axes if name != self.output]

    @property
    def tensors(self) -> Sequence[str]:
        """See `Source`."""
        return [*(f"inputs.{name}" for name in self.inputs), f"outputs.{self.output}"]

    def load(self, kind: Any, *, optional: str = "") -> Any:
        """The network in fp32. Raises Refused where the checkpoint lacks some of its weights; those with
        `optional` in their name may be missing, and play no part.
        """
        try:
            model, report = kind.from_pretrained(
                self.folder,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                use_safetensors=(self.folder / SAFE).is_file(),
                attn_implementation="eager",  # the fused kernels do not export
                dtype=torch.float32,
                output_loading_info=True,
            )
        except pickle.UnpicklingError as error:
            raise Refused(
                f"{PLAIN} holds more than tensors, and code in a weight file is never run"
            ) from error
        except (ValueError, OSError, RuntimeError) as error:
            raise Refused(f"transformers cannot read {self.folder}: {str(error).splitlines()[0]}") from error
        lacking = sorted(name for name in report["missing_keys"] if not optional or optional not in name)
        if lacking:
            raise Refused(
                f"the checkpoint has no weights for {', '.join(lacking[:4])}: it is of another kind"
            )
        return model.eval().requires_grad_(False)

    def label_names(self) -> list[str]:
        """In the order of the output; empty where nobody has named them. Raises Refused where some are."""
        numbered = {int(number): str(label) for number, label in self.config.get("id2label", {}).items()}
        if sorted(numbered) != list(range(len(numbered))):
            raise Refused("config.json does not name every label (id2label)")
        names = [numbered[number] for number in sorted(numbered)]
        return [] if all(NAMELESS.fullmatch(name) for name in names) else names

    def check_label_count(self, model: Any) -> None:
        """Raises Refused where the network has another number of outputs than `config.json` names."""
        named, count = len(self.config.get("id2label", {})), int(model.config.num_labels)
        if named and named != count:
            raise Refused(f"config.json names {named} labels (id2label), and the network has {count}")

    def export(self, target: Path) -> None:
        """See `Source`."""
        example = self.examples()[-1]
        tensors = [torch.from_numpy(example[name]) for name in self.inputs]
        onnx.save(to_onnx(self.network, tensors, self.output, self.axes), str(target))

    def examples(self) -> list[Arrays]:
        """See `Source`."""
        raise NotImplementedError

    def reference(self, inputs: Arrays) -> Arrays:
        """See `Source`."""
        with torch.inference_mode():
            given = [torch.from_numpy(inputs[name]) for name in self.inputs]
            answer: Tensor = self.network(*given)
            return {self.output: answer.numpy()}

    def said_in_readme(self) -> Facts:
        """Licence and languages, where the front matter of `README.md` says them: `licence`, `languages`."""
        path = self.folder / "README.md"
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        found = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
        try:
            front = yaml.safe_load(found.group(1)) if found else {}
        except yaml.YAMLError:
            front = {}
        facts: Facts = {}
        if isinstance(front, dict):
            if isinstance(front.get("license"), str) and front["license"] not in {"other", "unknown"}:
                facts["licence"] = front["license"]
            languages = front.get("language")
            languages = [languages] if isinstance(languages, str) else languages
            if isinstance(languages, list) and languages and all(isinstance(tag, str) for tag in languages):
                facts["languages"] = ["mul" if tag == "multilingual" else tag for tag in languages]
        return facts

    def architecture(self) -> str:
        """From config.json and the weights."""
        units = {"num_hidden_layers": "layers", "n_layers": "layers", "hidden_size": "wide", "dim": "wide"}
        sizes = [f"{self.config[name]} {unit}" for name, unit in units.items() if name in self.config]
        of = f" of {', '.join(sizes)}" if sizes else ""
        count = sum(p.numel() for p in self.network.parameters()) / 1e6
        return f"{self.config['model_type']}{of}, {count:.1f} M parameters; not trained further."


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of the folder. Raises Refused where it is missing or is none."""
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise Refused(f"{path} is no JSON") from error
    return read
