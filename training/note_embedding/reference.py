"""How near the export is to its reference: transformers' BertModel with sentence-transformers' mean
pooling.
"""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.language.tokenization import TextTokenizer
from services.language.windows import padded_length
from training.minilm import base_folder

MAX_TOKENS = 256
"""Longest sequence, [CLS] and [SEP] included; what all-MiniLM-L6-v2 was trained up to."""

_FINDINGS = (
    "fever",
    "a rash",
    "a fracture of the left femur",
    "type 2 diabetes",
    "asthma",
    "seizures",
    "naïve T-cell lymphoma",
)
_FRAMES = (
    "{}",
    "Patient has {}.",
    "No evidence of {}",
    "His mother had {} at the age of 61, and he fears it.",
    "PMH: {}, treated since 2010 with 20 mg daily; now stable. ",
    "IMPRESSION:\n1. Possible {}\n2. Follow up in 3 months 🙂",
)


def varied_texts(count: int, seed: int) -> list[str]:
    """Texts of very different length and kind: phrases, notes, long notes beyond the window, and letter
    noise.
    """
    rng = random.Random(seed)
    notes = [frame.format(finding) for frame, finding in itertools.product(_FRAMES, _FINDINGS)]
    long = [
        " ".join(rng.choices(notes, k=rng.randint(2, 40))) for _ in range(count - len(notes) - count // 5)
    ]
    letters = string.ascii_letters + string.digits + "     .,-()é°"
    noise = ["".join(rng.choices(letters, k=rng.randint(1, 300))).strip() or "?" for _ in range(count // 5)]
    return [*notes, *long, *noise][:count]


def reference(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Embeddings FP32 [texts, 384] by transformers, one text at a time, cut at 256 tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_folder())
    model = AutoModel.from_pretrained(base_folder()).eval()
    rows = []
    for text in texts:
        encoded = tokenizer([text], truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**encoded).last_hidden_state
        mask = encoded["attention_mask"].unsqueeze(-1).float()
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        rows.append(torch.nn.functional.normalize(mean, dim=1)[0].numpy())
    return np.stack(rows)


def exported(path: Path, texts: Sequence[str], tokenizer: TextTokenizer) -> npt.NDArray[np.float32]:
    """Embeddings FP32 [texts, 384] by the ONNX file, through the tokenization and padding of serving."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows = []
    for text in texts:
        ids = tokenizer.encode(text).ids[: MAX_TOKENS - tokenizer.frame_count]
        length = padded_length(len(ids) + tokenizer.frame_count, MAX_TOKENS)
        input_ids, mask, _ = tokenizer.framed(ids, length)
        rows.append(
            session.run(["embedding"], {"input_ids": input_ids[None], "attention_mask": mask[None]})[0][0]
        )
    return np.stack(rows)


def distances(ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """1 - cosine of each pair of rows, FP64."""
    left, right = ours.astype(np.float64), theirs.astype(np.float64)
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    result: npt.NDArray[np.float64] = 1 - (left * right).sum(axis=1) / norms
    return result
