"""A corpus on disk: what is written is found, by this process and others, whatever ends the writer."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from medmesh.common.v1.answer_pb2 import Provenance
from services.chassis.errors import CorpusUnavailable, Overloaded
from services.language.literature import corpus as corpus_module
from services.language.literature.corpus import Corpus, Prepared
from services.language.literature.publications import Kind, Publication, passages
from services.language.literature.vectors import Embedded, Filter, VectorFile

ROOT = Path(__file__).resolve().parents[3]
MODEL = Provenance(model_name="embedder", preprocessing_version="text/1", weights_sha256="ab")
ALL = Filter()


def prepared(key: str, text: str, point: tuple[float, float] | None = None, **fields) -> Prepared:
    publication = Publication(key, text=text, **fields)
    vectors = None if point is None else np.array([point], dtype=np.float32)
    return Prepared(publication, passages(publication), vectors)


def found(corpus: Corpus, query: str, only: Filter = ALL) -> list[str]:
    return [hit.publication_id for hit, _ in corpus.now().nearest_in_words(query, 10, only)]


def near(corpus: Corpus, point: tuple[float, float], only: Filter = ALL) -> list[str]:
    hits = corpus.now().nearest_in_meaning(np.array(point, dtype=np.float32), 10, only)
    return [hit.publication_id for hit, _ in hits]


@pytest.fixture
def corpus(tmp_path):
    corpus = Corpus(tmp_path / "corpus")
    corpus.write(
        [
            prepared("a", "Ketoconazole harms the liver.", (1, 0), year=1990, kinds=(Kind.REVIEW,)),
            prepared("b", "Amiodarone harms the thyroid.", (0.8, 0.6), year=2001),
            prepared("c", "The thyroid was normal.", (0, 1), kinds=(Kind.ARTICLE, Kind.RETRACTED)),
        ],
        MODEL,
    )
    return corpus


def test_passages_are_found_by_stem_and_by_point(corpus):
    assert found(corpus, "thyroids") == ["c", "b"]
    assert near(corpus, (1, 0)) == ["a", "b", "c"]
    [(hit, cosine), *_] = corpus.now().nearest_in_meaning(np.array([0.6, 0.8], np.float32), 1, ALL)
    assert hit.publication_id == "b"
    assert cosine == pytest.approx(0.96, abs=0.005)


def test_words_that_stand_everywhere_and_signs_find_nothing_and_break_nothing(corpus):
    assert found(corpus, "the of and") == []
    assert found(corpus, '"(title:* AND -[x TO y]^2~ \\') == []
    assert found(corpus, 'liver" OR (*:*') == ["a"]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (Filter(from_year=1995), ["b"]),
        (Filter(to_year=2000), ["a"]),
        (Filter(1990, 2001), ["a", "b"]),
        (Filter(kinds=(Kind.REVIEW, Kind.RETRACTED)), ["a", "c"]),
        (Filter(from_year=1995, kinds=(Kind.REVIEW,)), []),
    ],
)
def test_filters_hold_in_both_orders(corpus, only, expected):
    assert sorted(found(corpus, "harms normal", only)) == expected
    assert sorted(near(corpus, (1, 0), only)) == expected


def test_a_publication_takes_the_place_of_the_one_with_its_id(corpus):
    corpus.write([prepared("a", "Aspirin harms the stomach.", (0, -1))], MODEL)
    assert found(corpus, "ketoconazole") == []
    assert found(corpus, "aspirin") == ["a"]
    assert near(corpus, (1, 0)) == ["b", "c", "a"]
    assert corpus.now().words.counts() == (3, 3, 3)


def test_words_alone_and_then_embeddings(tmp_path):
    corpus = Corpus(tmp_path / "corpus")
    corpus.write([prepared("a", "Fever.")])
    assert near(corpus, (1, 0)) == []
    assert corpus.now().words.counts() == (1, 1, 0)
    assert not corpus.now().words.has(Publication("a", text="Fever."), embedded=True)
    corpus.write([prepared("a", "Fever.", (1, 0))], MODEL)
    assert near(corpus, (1, 0)) == ["a"]
    assert corpus.now().words.counts() == (1, 1, 1)


def test_removed_publications_are_in_neither_order(corpus):
    assert corpus.remove(["a", "not there"]) == 1
    assert found(corpus, "liver") == []
    assert near(corpus, (1, 0)) == ["b", "c"]


def test_what_one_object_writes_another_finds(corpus, tmp_path):
    other = Corpus(tmp_path / "corpus")
    assert found(other, "thyroid") == ["c", "b"]
    corpus.write([prepared("d", "Thyroid storm.", (1, 0))], MODEL)
    assert found(other, "thyroid storm")[0] == "d"
    before = other.now()
    corpus.remove(["d"])
    assert [hit.publication_id for hit, _ in before.nearest_in_words("storm", 1, ALL)] == ["d"], (
        "as it was then"
    )


def test_the_nearest_rows_are_those_of_an_exact_search(tmp_path):
    chance = np.random.default_rng(3)
    values = chance.standard_normal((500, 32)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    file = VectorFile(tmp_path / "vectors", 32)
    assert file.append([Embedded(values[:200], 2000, ()), Embedded(values[200:], None, (Kind.REVIEW,))]) == [
        0,
        200,
    ]
    file.kill([int(np.argmax(values @ values[7]))])
    rows = file.read().nearest(values[7], 20, ALL)
    exact = np.argsort(-(values @ values[7]))[1:21]
    assert len(set(exact.tolist()) & {row for row, _ in rows}) >= 19
    assert all(abs(cosine - float(values[row] @ values[7])) < 0.01 for row, cosine in rows)
    assert {row < 200 for row, _ in file.read().nearest(values[7], 20, Filter(from_year=1900))} == {True}


KILLED = """
    import os, sys
    sys.path.insert(0, {root!r})
    from tests.language.literature.test_corpus import *
    from services.language.literature import corpus as module
    corpus = Corpus(Path({folder!r}))
    append = VectorFile.append
    def then_die(self, batch):
        append(self, batch)
        with self._path.open("ab") as file:
            file.write(b"half a row")
        os.kill(os.getpid(), 9)
    VectorFile.append = then_die
    corpus.write([prepared("d", "Killed before the commit.", (1, 0))], MODEL)
"""


def test_a_writer_that_is_killed_leaves_what_was_there(corpus, tmp_path):
    script = textwrap.dedent(KILLED).format(root=str(ROOT), folder=str(tmp_path / "corpus"))
    done = subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert found(corpus, "killed commit") == []
    assert near(corpus, (1, 0)) == ["a", "b", "c"]
    corpus.write([prepared("d", "Written afterwards.", (1, 0))], MODEL)
    assert found(corpus, "written") == ["d"]
    assert sorted(near(corpus, (1, 0))) == ["a", "b", "c", "d"]


LIMITED = """
    import resource, signal, sys
    sys.path.insert(0, {root!r})
    from tests.language.literature.test_corpus import *
    corpus = Corpus(Path({folder!r}))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    text = " ".join(f"word{{n}}" for n in range(5000))
    try:
        corpus.write([prepared("d", text, {point})], {model})
    except CorpusUnavailable as error:
        print("unavailable", "word" in str(error))
"""


@pytest.mark.parametrize(("point", "model"), [("None", "None"), ("tuple([1.0] * 6000)", "MODEL")])
def test_a_disk_without_room_costs_the_batch_and_nothing_else(corpus, tmp_path, point, model):
    """No file may grow beyond 4 kB: in the one case the index cannot be written, in the other the points."""
    folder = tmp_path / ("corpus" if model == "None" else "new")
    script = textwrap.dedent(LIMITED).format(root=str(ROOT), folder=str(folder), point=point, model=model)
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "unavailable False", done.stderr
    if model == "None":
        assert found(corpus, "harms")
        assert not found(corpus, "word17")
        corpus.write([prepared("d", "Word17 again.")])
        assert found(corpus, "word17") == ["d"]
    else:
        assert VectorFile(folder / "vectors", 6000).read().nearest(np.ones(6000, np.float32), 1, ALL) == []


def test_a_folder_that_cannot_be_written_and_files_that_do_not_hold_are_told(corpus, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusUnavailable) as caught:
        Corpus(tmp_path / "file" / "below")
    assert caught.value.metadata == {"error": "ENOTDIR"}
    (tmp_path / "corpus" / "words" / "meta.json").write_text("{")
    with pytest.raises(CorpusUnavailable) as caught:
        Corpus(tmp_path / "corpus").now()
    assert "corpus" not in caught.value.args[0].replace("corpus of literature", "")
    with pytest.raises(CorpusUnavailable):
        corpus.now()


def test_two_writers_take_turns_and_one_that_waits_too_long_is_told(corpus, tmp_path, monkeypatch):
    import fcntl

    with (tmp_path / "corpus" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(corpus_module, "_LOCK_WAIT_S", 0.05)
        with pytest.raises(Overloaded):
            corpus.write([prepared("d", "Later.")])
    corpus.write([prepared("d", "Later.")])
    assert found(corpus, "later") == ["d"]
