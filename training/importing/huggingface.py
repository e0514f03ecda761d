"""Hugging Face checkpoints in a folder: token classifiers and sentence encoders of the BERT family.

Code from the folder is never run; weights are read from safetensors, or as plain tensors.
"""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from services.language.tokenization import PREPROCESSING_VERSION, VOCABULARY_SIZE, NoteTokenizer
from training import onnx_export
from training.importing import Refused
from training.importing.config import TEXTS, Traffic
from training.importing.facts import Facts
from training.importing.graph import Arrays

SAFE, PLAIN, TOKENIZER = "model.safetensors", "pytorch_model.bin", "tokenizer.json"


class Checkpoint:
    """What both kinds share (`training.importing.source.Source`); `_network` and `_output` are theirs."""

    traffic: Traffic = TEXTS
    _network: nn.Module
    _output: str
    _output_axes: Mapping[int, str]

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.config = _json(folder / "config.json")
        if "auto_map" in self.config:
            raise Refused(f"{folder} brings code of its own (auto_map), which is never run")
        if not any((folder / name).is_file() for name in (SAFE, PLAIN)):
            raise Refused(f"{folder} holds neither {SAFE} nor {PLAIN} (weights in one file)")
        if not (folder / TOKENIZER).is_file():
            raise Refused(
                f"{folder} has no {TOKENIZER}; write it with transformers: "
                "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            )
        self.files: Mapping[str, Path] = {TOKENIZER: folder / TOKENIZER}
        self.tensors: tuple[str, ...] = (
            "inputs.input_ids",
            "inputs.attention_mask",
            f"outputs.{self._output}",
        )
        self.vocabulary = int(self.config["vocab_size"])
        tokens = Tokenizer.from_file(str(folder / TOKENIZER)).get_vocab_size()
        if tokens > self.vocabulary:
            raise Refused(f"the tokenizer knows {tokens} tokens, the network {self.vocabulary}")

    def load(self, kind: Any) -> nn.Module:
        """The network in fp32. Raises Refused where the checkpoint lacks some of its weights."""
        try:
            model, report = kind.from_pretrained(
                self._folder,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                use_safetensors=(self._folder / SAFE).is_file(),
                attn_implementation="eager",  # the fused kernels do not export
                dtype=torch.float32,
                output_loading_info=True,
            )
        except pickle.UnpicklingError as error:
            raise Refused(
                f"{PLAIN} holds more than tensors, and code in a weight file is never run"
            ) from error
        except (ValueError, OSError, RuntimeError) as error:
            raise Refused(f"transformers cannot read {self._folder}: {str(error).splitlines()[0]}") from error
        lacking = sorted(name for name in report["missing_keys"] if "pooler." not in name)
        if lacking:
            raise Refused(
                f"the checkpoint has no weights for {', '.join(lacking[:4])}: it is of another kind"
            )
        network: nn.Module = model.eval().requires_grad_(False)
        return network

    def export(self, target: Path) -> None:
        with warnings.catch_warnings():
            # torch's older exporter says at each call that it is old, and that it traces constants.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            model = onnx_export.to_onnx(self._network, self._output, dict(self._output_axes))
        onnx.save(model, target)

    def examples(self) -> list[Arrays]:
        rng = np.random.default_rng(0)
        found = []
        for rows, tokens in ((1, 16), (3, 32)):
            mask = (np.arange(tokens) < rng.integers(2, tokens + 1, (rows, 1))).astype(np.int64)
            ids = rng.integers(0, self.vocabulary, (rows, tokens)) * mask
            found.append({"input_ids": ids, "attention_mask": mask})
        return found

    def reference(self, inputs: Arrays) -> Arrays:
        """By transformers, from the plain mask; the exported network makes the mask by itself."""
        with torch.inference_mode():
            ids, mask = (torch.from_numpy(inputs[name]) for name in ("input_ids", "attention_mask"))
            return {self._output: self._network(ids, mask, mask).numpy()}

    def architecture(self) -> str:
        """From config.json and the weights."""
        layers, width = (
            _first(self.config, *names)
            for names in (("num_hidden_layers", "n_layers"), ("hidden_size", "dim"))
        )
        count = sum(p.numel() for p in self._network.parameters()) / 1e6
        return (
            f"{self.config['model_type']} of {layers} layers, {width} wide, {count:.1f} M parameters; "
            "not trained further."
        )

    def text_facts(self, *, shaped_ids: bool) -> Facts:
        """The inputs, and the house's preprocessing where this tokenizer is one that it can use."""
        facts: Facts = {
            "inputs": [
                {
                    "name": "input_ids",
                    "description": (
                        f"Tokens of tokenizer.json with its special tokens, ids 0..{self.vocabulary - 1}"
                        f"{', modulo the vocabulary' if shaped_ids else ''}; at most "
                        f"{self.config.get('max_position_embeddings', 512)} tokens, padding counted"
                    ),
                },
                {"name": "attention_mask", "description": "1 for tokens, 0 for padding"},
            ],
        }
        if _fits_the_house(self._folder / TOKENIZER):
            facts["preprocessing_version"] = PREPROCESSING_VERSION
        return facts


class TokenClassifier(Checkpoint):
    """`input_ids`, `attention_mask` -> `probabilities` of each label for each token."""

    _output = "probabilities"
    _output_axes: Mapping[int, str] = {0: "batch", 1: "tokens"}
    use = (
        "services/language/models.py: CLINICAL_NER with this spec and LABELS as in labels.txt; the decoding "
        "(services/language/decoding.py) reads BIO labels of the types in services/language/entities.py."
    )

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForTokenClassification

        super().__init__(folder)
        numbered = {int(number): label for number, label in self.config.get("id2label", {}).items()}
        labels = [numbered[number] for number in sorted(numbered)]
        model = self.load(AutoModelForTokenClassification)
        if sorted(numbered) != list(range(int(model.config.num_labels))):
            raise Refused("config.json does not name every label (id2label)")
        # The service writes a word's shape into the id (services/language/tokenization.py); plain ids stay.
        shaped = self.vocabulary == VOCABULARY_SIZE
        self._network = _Tagger(model, self.vocabulary if shaped else 0)
        self.known: Facts = {
            **self.text_facts(shaped_ids=shaped),
            "architecture": self.architecture(),
            "labels": labels,
            "calibration": "Not calibrated: the softmax of the logits.",
            "outputs": [
                {"name": "probabilities", "description": "of each label for each token, 0..1, sum 1"}
            ],
        }


class SentenceEncoder(Checkpoint):
    """`input_ids`, `attention_mask` -> `embedding`: the mean over the tokens, of unit length."""

    _output = "embedding"
    _output_axes: Mapping[int, str] = {0: "batch"}
    use = (
        "services/language/models.py: NOTE_EMBEDDING with this spec, and EMBEDDING_DIMENSIONS where the "
        "width differs."
    )

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel

        super().__init__(folder)
        _check_mean_pooling(folder)
        self._network = _MeanEncoder(self.load(AutoModel))
        self.known: Facts = {
            **self.text_facts(shaped_ids=False),
            "architecture": f"{self.architecture()} Mean over the tokens and L2 norm in the graph.",
            "calibration": "None: a cosine is no probability.",
            "outputs": [{"name": "embedding", "description": "unit length; each value -1..1"}],
        }


class _Tagger(nn.Module):
    def __init__(self, model: nn.Module, modulo: int) -> None:
        super().__init__()
        self.model, self.modulo = model, modulo

    def forward(self, input_ids: Tensor, attention_mask: Tensor, given: Tensor | None = None) -> Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, tokens, labels]; `given` is the mask to hand over."""
        ids = input_ids % self.modulo if self.modulo else input_ids
        mask = _additive(attention_mask) if given is None else given
        return torch.softmax(self.model(input_ids=ids, attention_mask=mask).logits, dim=-1)


class _MeanEncoder(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, given: Tensor | None = None) -> Tensor:
        """INT64 [batch, tokens] twice -> FP32 [batch, width]; `given` is the mask to hand over."""
        attended = _additive(attention_mask) if given is None else given
        hidden = self.model(input_ids=input_ids, attention_mask=attended).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9)
        unit: Tensor = mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return unit


def _additive(mask: Tensor) -> Tensor:
    """INT64 [batch, tokens] -> FP32 [batch, 1, 1, tokens], added to the scores: 0, or very negative.

    transformers takes such a mask as it is; its own takes indexing that the exporter warns of.
    """
    return (1.0 - mask[:, None, None, :].to(torch.float32)) * -1e4


def _check_mean_pooling(folder: Path) -> None:
    """Raises Refused where the folder says that its sentences are made otherwise than by the mean."""
    modules = folder / "modules.json"
    if not modules.is_file():
        return
    for module in json.loads(modules.read_text(encoding="utf-8")):
        kind = module["type"].rpartition(".")[2]
        if kind not in {"Transformer", "Pooling", "Normalize"}:
            raise Refused(
                f"modules.json adds a layer {kind} after the encoder; only mean pooling is exported"
            )
        if kind == "Pooling":
            pooling = _json(folder / module["path"] / "config.json")
            modes = [name for name, on in pooling.items() if name.startswith("pooling_mode") and on is True]
            if (
                modes not in ([], ["pooling_mode_mean_tokens"])
                or pooling.get("pooling_mode", "mean") != "mean"
            ):
                raise Refused(f"sentences of {folder} are not pooled by the mean ({', '.join(modes)})")


def _fits_the_house(path: Path) -> bool:
    """Whether the service's own tokenizer can read this file: WordPiece with [CLS], [SEP] and [PAD]."""
    if _json(path)["model"].get("type") != "WordPiece":
        return False
    try:
        NoteTokenizer.from_file(path)
    except ValueError:
        return False
    return True


def _json(path: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise Refused(f"{path} is no JSON") from error
    return read


def _first(config: Mapping[str, Any], *names: str) -> Any:
    return next((config[name] for name in names if name in config), "an unknown number of")
