"""Checkpoints of the real architectures with random weights, as their projects publish them."""

from __future__ import annotations

import json

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    BertConfig,
    BertForTokenClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForTokenClassification,
    DistilBertModel,
    RobertaConfig,
    RobertaForTokenClassification,
    RobertaModel,
)

from training.importing.densenet import DenseNet121

README = "---\nlanguage: en\nlicense: apache-2.0\n---\nWeights of a test.\n"
LABELS = ("O", "B-Disease", "I-Disease")
_SIZES = {"vocab_size": 2100, "max_position_embeddings": 64}
_BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
FAMILIES = {
    "bert": (BertConfig, BertForTokenClassification, BertModel, _BERT),
    "distilbert": (
        DistilBertConfig,
        DistilBertForTokenClassification,
        DistilBertModel,
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    ),
    "roberta": (RobertaConfig, RobertaForTokenClassification, RobertaModel, _BERT),
}


def chest_state(findings=18, thresholds=True):
    """A state dict as TorchXRayVision's DenseNet has one; the statistics are not those of a fresh network."""
    torch.manual_seed(0)
    network = DenseNet121(channels=1, classes=findings)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    state = network.state_dict()
    if thresholds:
        state["op_threshs"] = torch.rand(findings) * 0.5 + 0.01
    return state


def tagger(folder, family="bert", **changes):
    """A token classification checkpoint of one family."""
    config, kind, _, sizes = FAMILIES[family]
    numbered = dict(enumerate(LABELS))
    names = {label: number for number, label in numbered.items()}
    return _save(
        kind, config(**{**_SIZES, **sizes, "id2label": numbered, "label2id": names, **changes}), folder
    )


def encoder(folder, family="bert", **changes):
    """An encoder without a head."""
    config, _, kind, sizes = FAMILIES[family]
    return _save(kind, config(**{**_SIZES, **sizes, **changes}), folder)


def wordpiece(path, tokens=2000):
    """A tokenizer of numbered words, with BERT's special tokens."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {
        token: number for number, token in enumerate([*special, *(f"w{n}" for n in range(tokens - 4))])
    }
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))


def pooled_by(folder, mode):
    """Adds what sentence-transformers writes beside an encoder."""
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    modes = {f"pooling_mode_{name}": name == mode for name in ("cls_token", "mean_tokens", "max_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))


def _save(kind, config, folder):
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    kind(config).save_pretrained(folder)
    (folder / "README.md").write_text(README)
    wordpiece(folder / "tokenizer.json")
    return folder
