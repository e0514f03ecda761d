"""Checkpoints of the real architectures with random weights, as their projects publish them."""

from __future__ import annotations

import json

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
    DistilBertModel,
    RobertaConfig,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
)

from training.importing.densenet import DenseNet121

README = "---\nlanguage: en\nlicense: apache-2.0\n---\nWeights of a test.\n"
LABELS = ("O", "B-Disease", "I-Disease")
TEXT_LABELS = ("normal", "urgent", "Pneumonia")
TEXT_CLASSIFIERS = {
    "bert": BertForSequenceClassification,
    "distilbert": DistilBertForSequenceClassification,
    "roberta": RobertaForSequenceClassification,
}
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


def tagger(folder, family="bert", tokenizer=None, **changes):
    """A token classification checkpoint of one family."""
    config, kind, _, sizes = FAMILIES[family]
    numbered = dict(enumerate(LABELS))
    names = {label: number for number, label in numbered.items()}
    return _save(
        kind,
        config(**{**_SIZES, **sizes, "id2label": numbered, "label2id": names, **changes}),
        folder,
        tokenizer,
    )


def text_classifier(folder, family="bert", tokenizer=None, **changes):
    """A sequence classification checkpoint of one family."""
    config, _, _, sizes = FAMILIES[family]
    numbered = dict(enumerate(TEXT_LABELS))
    names = {label: number for number, label in numbered.items()}
    made = config(**{**_SIZES, **sizes, "id2label": numbered, "label2id": names, **changes})
    return _save(TEXT_CLASSIFIERS[family], made, folder, tokenizer)


def encoder(folder, family="bert", tokenizer=None, **changes):
    """An encoder without a head."""
    config, _, kind, sizes = FAMILIES[family]
    return _save(kind, config(**{**_SIZES, **sizes, **changes}), folder, tokenizer)


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


def slow_files(folder, made, name, **settings):
    """The files that a tokenizer.json is made of, as older checkpoints have them."""
    if isinstance(made.model, models.WordPiece):
        numbered = sorted(made.get_vocab().items(), key=lambda item: item[1])
        (folder / "vocab.txt").write_text("".join(f"{token}\n" for token, _ in numbered))
    else:
        made.model.save(str(folder))
    config = {"tokenizer_class": name, "model_max_length": 60, **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _save(kind, config, folder, tokenizer=None):
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    kind(config).save_pretrained(folder)
    (folder / "README.md").write_text(README)
    if tokenizer is None:
        wordpiece(folder / "tokenizer.json")
    else:
        tokenizer.save(str(folder / "tokenizer.json"))
    return folder
