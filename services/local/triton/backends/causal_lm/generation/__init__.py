"""Text from a causal language model: token by token, for many requests at once. Knows no Triton."""
