"""Real tokenizers of each kind that published models come with, trained here on a few sentences."""

from __future__ import annotations

import functools
from collections.abc import Callable

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

CORPUS = (
    "No evidence of pneumonia. Known asthma, on salbutamol 2.5 mg.",
    "Severe chest pain and shortness of breath; denies fever, cough and night sweats.",
    "The patient takes aspirin 100 mg daily (since 2019) and was given paracetamol.",
    "COPD with IL-2 therapy, pre-existing diabetes mellitus type 2.",
    "Fièvre élevée, naïve T cells; état général altéré.",
) * 20


def _trained_once(train: Callable[[], Tokenizer]) -> Callable[[], Tokenizer]:
    """The trainers break ties as they like: two trainings make two vocabularies. A copy each time."""
    text = functools.cache(lambda: train().to_str())
    return functools.wraps(train)(lambda: Tokenizer.from_str(text()))


@_trained_once
def cased_wordpiece() -> Tokenizer:
    """As BioBERT's: WordPiece that keeps case and accents."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special))
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


@_trained_once
def uncased_wordpiece() -> Tokenizer:
    """As PubMedBERT's: WordPiece in small letters, without accents."""
    made = cased_wordpiece()
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special))
    return made


@_trained_once
def byte_level_bpe() -> Tokenizer:
    """As RoBERTa's: BPE of bytes, the blank before a word in the word's first token."""
    return _of_bytes(add_prefix_space=False, trim_offsets=True)


@_trained_once
def untrimmed_bpe() -> Tokenizer:
    """The same, with the blank left in the offsets."""
    return _of_bytes(add_prefix_space=True, trim_offsets=False)


def _of_bytes(*, add_prefix_space: bool, trim_offsets: bool) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=trim_offsets, add_prefix_space=add_prefix_space
    )
    return made


@_trained_once
def sentencepiece() -> Tokenizer:
    """As XLM-RoBERTa's: Unigram on NFKC, blanks written as a letter of their own."""
    return _unigram(split=True)


@_trained_once
def unsplit_sentencepiece() -> Tokenizer:
    """The same, with pieces that may reach over words, as newer ones are trained."""
    return _unigram(split=False)


def _unigram(*, split: bool) -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" {2,}", " ")])
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=split)
    made.decoder = decoders.Metaspace(prepend_scheme="always", split=split)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token="<unk>")
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return made


@_trained_once
def folded_bpe() -> Tokenizer:
    """BPE on text that a chain of normalizers has made longer and shorter, framed by nothing."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    special = ["<unk>", "<pad>"]
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=300, special_tokens=special))
    return made


KINDS: dict[str, Callable[[], Tokenizer]] = {
    "cased wordpiece": cased_wordpiece,
    "uncased wordpiece": uncased_wordpiece,
    "byte-level bpe": byte_level_bpe,
    "byte-level bpe, blanks in the offsets": untrimmed_bpe,
    "sentencepiece": sentencepiece,
    "sentencepiece over words": unsplit_sentencepiece,
    "bpe on folded text": folded_bpe,
}
