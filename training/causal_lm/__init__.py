"""Any causal language model of Llama's form as a folder for the embedded Triton's backend `causal_lm`.

    python -m training.causal_lm --model FOLDER_OR_GGUF --name smollm2 --out models

The network is read with transformers, from a folder of Hugging Face's or a GGUF file (which needs the
packages `gguf` and `accelerate`), and written as ONNX with a key-value cache, its matrices in 8 bits. For a
larger model use vLLM, which needs no export (docs/writers.md).
"""
