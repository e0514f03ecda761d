"""Offsets and words hold for any text and for tokenizers of every kind."""

from __future__ import annotations

import functools
import itertools
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from medmesh.common.v1.serving_pb2 import TextPreprocessing
from services.language.tokenization import TextTokenizer
from services.language.word_shapes import Shape, word_shape
from tests.language.conftest import REPOSITORY
from tests.language.tokenizers_made import KINDS
from training.clinical_ner.corpus import Pieces, Sentence

SHAPES = TextPreprocessing(tokenizer_file="tokenizer.json", word_shape_version="wordpiece-shape/1")
TOKENIZER = TextTokenizer.from_card(REPOSITORY / "clinical_ner", SHAPES)
PLAIN = TextTokenizer.from_file(REPOSITORY / "note_embedding" / "tokenizer.json")
VOCABULARY_SIZE = 30522
WORDS = st.sampled_from(
    [
        "Pneumonia",
        "IL-2",
        "🙂",
        "naïve",
        "e\u0301tat",
        "5-HT",
        "病",
        "\t",
        "\n\n",
        "p.o.",
        "👩🏽‍⚕️",
        "ﬁ",
        "½",
        "İ",
    ]
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.lists(WORDS, max_size=30).map(" ".join),
    st.lists(WORDS, max_size=30).map("".join),
)


@functools.cache
def made(kind):
    """The kind's tokenizer, and the library's own for comparison."""
    return TextTokenizer(KINDS[kind]()), KINDS[kind]()


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@given(TEXTS)
@example("Known asthma 🙂, on e\u0301phédrine.")
@example("")
@example(" \n ")
def test_words_lie_in_the_original_text_in_order_and_have_tokens(kind, text):
    tokenizer, _ = made(kind)
    encoding = tokenizer.encode(text)
    last = 0
    for word in encoding.words:
        assert last <= word.start < word.end <= len(text)
        assert word.end == len(text) or not unicodedata.combining(text[word.end])
        assert not any(letter in " \t\n" for letter in text[word.start : word.end])
        assert 0 <= word.first < word.last <= len(encoding)
        last = word.end
    firsts = [word.first for word in encoding.words]
    assert firsts == sorted(firsts)
    assert len(encoding.ids) == len(encoding.ends) == len(encoding.word_of)
    assert (np.diff(encoding.word_of) >= 0).all()


BEFORE = [
    "",
    "🙂 ",
    "e\u0301 ",
    "病院 ",
    "👩🏽‍⚕️ ",
    "a\u0300\u0301 ",
    "ﬁ ½ ① ",
    "\u00a0İ \u2003",
    "  \n\n",
    "</s> [SEP] ",
]


@every_kind
@pytest.mark.parametrize("before", BEFORE, ids=ascii)
def test_the_tokens_of_a_word_are_those_that_spell_it(kind, before):
    """What the library decodes from a word's tokens is the word as the tokenizer's normalizer writes it."""
    tokenizer, library = made(kind)
    text = f"{before}Severe pneumonia , denies fever\r\n( since 2019 ) and cough"
    encoding = tokenizer.encode(text)
    words = {text[word.start : word.end]: word for word in encoding.words}
    for name in ("Severe", "pneumonia", "denies", "fever", "2019", "cough", "(", ")", ","):
        word = words[name]
        assert word.start == text.index(name)
        spelled = library.decode(encoding.ids[word.first : word.last].tolist()).replace("##", "")
        written = library.normalizer.normalize_str(name) if library.normalizer else name
        assert spelled.replace(" ", "") == written


@every_kind
@pytest.mark.parametrize(
    "text", ["fever,cough", "pre-existing", "(since 2019)", "aspirin/paracetamol", "2.5mg"]
)
def test_words_are_the_same_whatever_the_pieces_are(kind, text):
    reference = [(word.start, word.end) for word in made("cased wordpiece")[0].encode(text).words]
    assert [(word.start, word.end) for word in made(kind)[0].encode(text).words] == reference


@every_kind
def test_what_frames_a_text_is_what_the_library_puts_around_it(kind):
    tokenizer, library = made(kind)
    library.no_padding()
    for text in ("fever", "denies fever and cough"):
        expected = library.encode(text)
        ids, mask, types = tokenizer.framed(tokenizer.encode(text).ids, 32)
        count = len(expected.ids)
        assert ids[:count].tolist() == expected.ids
        assert types[:count].tolist() == expected.type_ids
        assert mask.tolist() == [1] * count + [0] * (32 - count)
        assert set(ids[count:].tolist()) == {tokenizer.pad_token_id}
        assert set(types[count:].tolist()) == {0}
        assert ids.dtype == mask.dtype == types.dtype == np.int64
    assert tokenizer.frame_count == (0 if kind == "bpe on folded text" else 2)


def test_framing_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="do not fit"):
        PLAIN.framed(np.ones(7, dtype=np.int64), 8)


def test_the_padding_is_the_cards_else_the_tokenizers_own():
    assert PLAIN.pad_token_id == 0
    assert made("byte-level bpe")[0].pad_token_id == 1
    library = KINDS["byte-level bpe"]()
    library.enable_padding(pad_id=4, pad_token="<mask>", length=64)
    assert TextTokenizer(library).pad_token_id == 4
    assert TextTokenizer(library, pad_token_id=3).pad_token_id == 3
    assert len(TextTokenizer(library).encode("fever and cough")) < 60  # nothing is padded by itself


@every_kind
@pytest.mark.parametrize("words", ["[SEP]", "</s>", "<mask>", "[CLS] [PAD]", "<s>"])
def test_special_tokens_written_in_a_note_are_text(kind, words):
    tokenizer, library = made(kind)
    special = {
        library.token_to_id(token) for token in ("[SEP]", "</s>", "<mask>", "[CLS]", "[PAD]", "<s>", "<pad>")
    }
    assert special.isdisjoint(tokenizer.encode(f"fever {words} cough").ids.tolist())


def test_a_tokenizer_that_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        TextTokenizer.from_file(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json is not a tokenizer file"):
        TextTokenizer.from_file(tmp_path / "tokenizer.json")
    with pytest.raises(ValueError, match="word_shape_version"):
        TextTokenizer.from_card(tmp_path, TextPreprocessing(word_shape_version="new/2"))


def test_spans_keep_accents_written_as_combining_marks():
    text = "cafe\u0301 noir"
    for kind in KINDS:
        first = made(kind)[0].encode(text).words[0]
        assert text[first.start : first.end] == "cafe\u0301"


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("fever", Shape.LOWER),
        ("42", Shape.LOWER),
        ("Fever", Shape.CAPITALISED),
        ("A", Shape.CAPITALISED),
        ("COPD", Shape.UPPER),
        ("IL2", Shape.UPPER),
        ("mRNA", Shape.MIXED),
        ("McBurney", Shape.MIXED),
    ],
)
def test_the_shape_of_a_word_is_in_its_token_ids(word, shape):
    assert word_shape(word) is shape
    ids = TOKENIZER.encode(word).ids
    assert (ids // VOCABULARY_SIZE == shape).all()
    assert (ids % VOCABULARY_SIZE == PLAIN.encode(word).ids).all()


@given(
    st.lists(
        st.sampled_from(["Parkinson", "'", "s", "L", "-", "dopa", "5HT4", "é", "(", "COPD"]),
        min_size=1,
        max_size=20,
    )
)
def test_training_and_serving_make_the_same_tensor(words):
    """The corpus comes as words and training tokenizes word by word; a note is tokenized whole."""
    served = TOKENIZER.encode(" ".join(words))
    trained = Pieces(TOKENIZER).sequence([Sentence(tuple(words), (0,) * len(words))])
    assert served.ids.tolist() == trained.ids.tolist()
    bounds = [(word.first, word.last) for word in served.words]
    assert bounds == [(int(a), int(b)) for a, b in _bounds(trained.words)]


def _bounds(word_of):
    changes = [0, *(np.flatnonzero(np.diff(word_of)) + 1).tolist(), len(word_of)]
    return list(itertools.pairwise(changes))


def test_models_with_the_same_file_share_what_is_read_of_it(tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    KINDS["uncased wordpiece"]().save(str(first))
    second.write_bytes(first.read_bytes())
    one = TextTokenizer.from_file(first)
    two = TextTokenizer.from_file(second, has_word_shapes=True, pad_token_id=3)
    assert two._tokenizer is one._tokenizer
    assert (one.pad_token_id, two.pad_token_id) == (0, 3)
    text = "Fever 38.5 and COUGH"
    assert two.encode(text).ids.tolist() != one.encode(text).ids.tolist()  # with the words' shapes
    KINDS["byte-level bpe"]().save(str(second))
    assert TextTokenizer.from_file(second)._tokenizer is not one._tokenizer
