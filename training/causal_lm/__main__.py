"""`python -m training.causal_lm`: see the package."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.causal_lm.export import Source, write


def main() -> None:
    """Reads the arguments, and writes the folder."""
    parser = argparse.ArgumentParser(prog="python -m training.causal_lm")
    parser.add_argument("--model", type=Path, required=True, help="folder of Hugging Face's, or GGUF file")
    parser.add_argument("--name", required=True, help="name of the model folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of models that it goes into")
    parser.add_argument("--licence", default="", help="SPDX identifier of the weights")
    parser.add_argument("--bits", type=int, choices=(4, 8, 32), default=8)
    parser.add_argument("--max-tokens", type=int, default=2048, help="most tokens of prompt and answer")
    asked = parser.parse_args()
    where = {"gguf_file": asked.model.name} if asked.model.suffix == ".gguf" else {}
    place = asked.model.parent if where else asked.model
    tokenizer = AutoTokenizer.from_pretrained(place, **where)
    network = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32, **where)
    source = Source(network, tokenizer, asked.name, f"{asked.model.name}.", asked.licence)
    print(write(source, asked.out, max_token_count=asked.max_tokens, bits=asked.bits))


if __name__ == "__main__":
    main()
