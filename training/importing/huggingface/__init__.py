"""Checkpoints in a Hugging Face folder.

    checkpoint         what all share: config.json, the weights, what README.md says, the export
    text               what those of text share: the tokenizer, the lengths, the examples
    tokenizers         the tokenizer as a tokenizer.json, and the lengths that it is made for
    token_classifier, text_classifier, sentence_encoder, image_classifier   one kind each
    image_processor    preprocessor_config.json -> the steps of a card

Code from the folder is never run; weights are read from safetensors, or as plain tensors.
"""
