"""A checkpoint's tokenizer as a `tokenizer.json`, and the lengths that it and the network are made for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from training.importing import Refused
from training.importing.huggingface.checkpoint import read_json

FILE = "tokenizer.json"
SLOW = (
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
)
"""Files of tokenizers that transformers converts."""
PADDED_FROM_ONE = frozenset({"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet"})
"""Networks that number positions from the padding's id on: so many fewer positions are free."""
_NO_LIMIT = 1_000_000


def tokenizer_json(folder: Path) -> str:
    """The text of the folder's `tokenizer.json`; made by transformers where there are only the files that
    one was made of. Raises Refused where there is neither.
    """
    if (folder / FILE).is_file():
        return (folder / FILE).read_text(encoding="utf-8")
    if not any((folder / name).is_file() for name in SLOW):
        raise Refused(f"{folder} has no {FILE}, nor files that one can be made of ({', '.join(SLOW)})")
    from transformers import AutoTokenizer

    try:
        made = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_fast=True
        )
        text: str = made.backend_tokenizer.to_str()
    except (ImportError, ValueError, OSError, AttributeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Refused(f"no {FILE} can be made of the tokenizer in {folder}: {first}") from error
    return text


def check_vocabulary(text: str, network_size: int) -> None:
    """Raises Refused where the tokenizer gives ids that the network has no place for."""
    try:
        ids = Tokenizer.from_str(text).get_vocab(with_added_tokens=True).values()
    except Exception as error:  # the library raises nothing narrower
        raise Refused(f"{FILE} cannot be read: {error}") from error
    if max(ids, default=0) >= network_size:
        raise Refused(f"the tokenizer knows {max(ids) + 1} tokens, the network {network_size}")


def longest_input(folder: Path, config: dict[str, Any]) -> int:
    """Most tokens of one input, special ones included: the least that network, tokenizer and folder name.
    Raises Refused where none does.
    """
    limits = [_positions(config)]
    for name, field in (
        ("tokenizer_config.json", "model_max_length"),
        ("sentence_bert_config.json", "max_seq_length"),
    ):
        path = folder / name
        limits.append(read_json(path).get(field) if path.is_file() else None)
    known = [int(limit) for limit in limits if limit and limit < _NO_LIMIT]
    if not known:
        raise Refused("neither config.json nor tokenizer_config.json says how long an input may be")
    return min(known)


def _positions(config: dict[str, Any]) -> int | None:
    positions = config.get("max_position_embeddings")
    if positions and config["model_type"] in PADDED_FROM_ONE:
        padding = config.get("pad_token_id")
        return int(positions) - (1 if padding is None else int(padding)) - 1
    return positions
