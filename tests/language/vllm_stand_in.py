"""Imitates Triton's vLLM backend, as a model of its Python backend: the same tensors, defaults and errors,
and the text in the same pieces. It is copied beside the configuration of `docs/examples/vllm_writer`, since
vLLM itself needs a GPU.

After its source, `src/model.py` and `src/utils/request.py` of triton-inference-server/vllm_backend: each
answer holds what is new of the text, `finish_reason` is there where it is asked for and reads `None` until
the end, and whatever goes wrong is one answer with an error that begins with "Error generating stream".
"""

import json
import threading

import numpy as np
import triton_python_backend_utils as pb_utils

DEFAULTS = {"max_tokens": 16, "temperature": 1.0, "top_p": 1.0, "seed": None, "stop": []}
"""vLLM's SamplingParams takes its own names alone."""
LONGEST = 4096


class TritonPythonModel:
    """Writes the prompt's words again, a word a token, and `<|im_end|>` at its end."""

    def execute(self, requests):
        """Begins each request; vLLM hands them to its engine."""
        for request in requests:
            threading.Thread(target=self.generate, args=(request, request.get_response_sender())).start()

    def generate(self, request, sender):
        """One request."""
        try:
            values = {tensor.name(): tensor.as_numpy()[0] for tensor in request.inputs()}
            self.write(values["text_input"].decode(), parameters_of(values), values, sender)
        except Exception as error:  # noqa: BLE001 - as vLLM's backend does
            told = pb_utils.TritonError(f"Error generating stream: {error}")
            tensors = [pb_utils.Tensor("text_output", np.array([b"N/A"], dtype=np.object_))]
            answer = pb_utils.InferenceResponse(output_tensors=tensors, error=told)
            sender.send(answer, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def write(self, prompt, parameters, values, sender):
        """The pieces of the text."""
        if len(prompt.split()) > LONGEST:
            raise ValueError(f"The decoder prompt (length {len(prompt.split())}) is longer than the maximum")
        asked = prompt.rsplit("<|im_start|>user\n", 1)[-1].split("<|im_end|>")[0]
        whole = f"{asked} [temperature {parameters['temperature']}, seed {parameters['seed']}]<|im_end|>"
        stops = [at for text in parameters["stop"] if (at := whole.find(text)) >= 0]
        words = whole[: min(stops, default=len(whole))].split(" ")
        reason = "stop" if len(words) <= parameters["max_tokens"] else "length"
        words = words[: parameters["max_tokens"]]
        for at, word in enumerate(words):
            is_last = at == len(words) - 1
            text = word if at == 0 else f" {word}"
            tensors = [pb_utils.Tensor("text_output", np.array([text.encode()], dtype=np.object_))]
            if values.get("return_finish_reason", False):
                told = str(reason if is_last else None).encode()
                tensors.append(pb_utils.Tensor("finish_reason", np.array([told], dtype=np.object_)))
            flags = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL if is_last else 0
            sender.send(pb_utils.InferenceResponse(output_tensors=tensors), flags=flags)


def parameters_of(values):
    """The sampling parameters; errors as vLLM's are, with what was sent in them."""
    if not values.get("stream", False):
        raise ValueError("the stand-in streams only")
    given = json.loads(values["sampling_parameters"])
    unknown = set(given) - set(DEFAULTS)
    if unknown:
        raise TypeError(f"Unexpected keyword argument {min(unknown)!r}")
    return DEFAULTS | given
