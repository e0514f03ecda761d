"""A causal model as ONNX writes what transformers writes, also beside others of another length."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")
transformers = pytest.importorskip("transformers")

from services.local.triton.backends.causal_lm.generation.onnx_network import OnnxNetwork  # noqa: E402
from services.local.triton.backends.causal_lm.generation.parameters import SamplingParameters  # noqa: E402
from services.local.triton.backends.causal_lm.generation.scheduler import Bounds, Scheduler  # noqa: E402
from training.causal_lm.export import graph  # noqa: E402
from training.causal_lm.network import LlamaWithCache, Unsupported  # noqa: E402

PROMPTS = ([5, 9, 3], [7] * 11, [1, 2, 3, 4, 5, 6, 7, 8, 9], [40])
COUNT = 12


@pytest.fixture(scope="module")
def llama():
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    return transformers.LlamaForCausalLM(config).eval()


class Caller:
    def __init__(self):
        self.tokens, self.ended = [], False

    def is_cancelled(self):
        return False

    def send(self, text, ending):
        self.ended = ending is not None

    def refuse(self, why):
        raise AssertionError(why)


class Tokens:
    """The text of a caller: its tokens."""

    is_stopped = False

    def __init__(self, caller):
        self._caller = caller

    def add(self, token):
        self._caller.tokens.append(token)
        return "."

    def end(self):
        return ""


def network(llama, bits):
    session = onnxruntime.InferenceSession(graph(LlamaWithCache(llama), bits=bits).SerializeToString())
    return OnnxNetwork(session)


def test_texts_written_together_are_transformers_own(llama):
    scheduler = Scheduler(
        network(llama, 32), Bounds(max_token_count=64, max_batch_count=8, prefill_chunk=4), [-1]
    )
    callers = [Caller() for _ in PROMPTS]
    for prompt, caller in zip(PROMPTS, callers, strict=True):
        scheduler.add(caller, prompt, SamplingParameters(max_tokens=COUNT, temperature=0), Tokens(caller))
        scheduler.round()
    while scheduler.count:
        scheduler.round()
    for prompt, caller in zip(PROMPTS, callers, strict=True):
        given = llama.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones((1, len(prompt)), dtype=torch.int64),
            max_new_tokens=COUNT,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        assert caller.tokens == given[0, len(prompt) :].tolist()


def test_in_eight_bits_it_is_nearly_the_same(llama):
    whole, small = (graph(LlamaWithCache(llama), bits=bits) for bits in (32, 8))
    assert small.ByteSize() < whole.ByteSize()
    made = network(llama, 8)
    assert made.vocabulary_count == 64


def test_another_form_is_refused(llama):
    config = transformers.GPT2Config(n_layer=1, n_embd=16, n_head=2, vocab_size=8)
    with pytest.raises(Unsupported):
        LlamaWithCache(transformers.GPT2LMHeadModel(config))
