"""Texts as vectors: by a small local model whose weights lie in its wheel, or by an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, Field

from orchestrator import Context
from workers.extras import EXTRA, needed
from workers.failures import Refused

LOCAL_MODEL = "l2_supercat_256"
_BATCH = 64


class EmbeddingChoice(BaseModel):
    """Which model embeds. An index remembers it: passages and questions must be embedded by the same one.

    Attributes:
        provider: `local` runs on this machine, needs no key and sends nothing anywhere; `openai` is any server that
            speaks the OpenAI protocol.
        model: of the server, e.g. `text-embedding-3-small`; the local model has one.
        base_url: of the server; None is OpenAI's own.
        api_key: the name of the secret that holds the key; the step must list it under `secrets`.
    """

    provider: Literal["local", "openai"] = "local"
    model: str = "text-embedding-3-small"
    base_url: str | None = None
    api_key: str = Field(default="OPENAI_API_KEY", min_length=1)

    @property
    def name(self) -> str:
        """What an index remembers of the choice."""
        return f"local/{LOCAL_MODEL}" if self.provider == "local" else f"openai/{self.model}"


class Embedder(Protocol):
    """Gives each text a vector; all vectors of one embedder have the same length."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors, in the order of the texts."""


def embedder(choice: EmbeddingChoice, ctx: Context) -> Embedder:
    """The embedder of a choice.

    Raises:
        Refused: `extra_missing`.
        SecretMissing: the step does not list the key's name.
    """
    if choice.provider == "local":
        return LocalEmbedder()
    return ServerEmbedder(choice, ctx.secret(choice.api_key))


class LocalEmbedder:
    """The mean of the vectors of a text's tokens, of unit length (WordLlama, MIT; 256 dimensions, 16 MB).

    Its two files are read directly: the package itself configures the process's logging when it is imported, and
    looks for its tokenizer on the network.
    """

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors; of an empty text a vector of zeros."""
        return await asyncio.to_thread(_embed_locally, list(texts))


class ServerEmbedder:
    """Embeddings of an OpenAI-compatible server. The client tries refused calls again by itself, twice."""

    def __init__(self, choice: EmbeddingChoice, api_key: str) -> None:
        from langchain_openai import OpenAIEmbeddings
        from pydantic import SecretStr

        self._client = OpenAIEmbeddings(
            model=choice.model,
            openai_api_base=choice.base_url,
            openai_api_key=SecretStr(api_key),
            check_embedding_ctx_length=False,  # else it fetches a tokenizer, and sends numbers that few servers take
            chunk_size=_BATCH,
        )

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The vectors, as the server gives them."""
        return await self._client.aembed_documents(list(texts))


def _embed_locally(texts: list[str]) -> list[list[float]]:
    numpy = needed("numpy", "the local embedding model")
    tokenizer, table = _model()
    vectors: list[list[float]] = []
    for start in range(0, len(texts), _BATCH):
        for encoded in tokenizer.encode_batch(texts[start : start + _BATCH], add_special_tokens=False):
            mean = table[encoded.ids].mean(axis=0) if encoded.ids else numpy.zeros(table.shape[1], table.dtype)
            length = float(numpy.linalg.norm(mean))
            vectors.append((mean / length if length else mean).tolist())
    return vectors


@lru_cache(maxsize=1)
def _model() -> tuple[Any, Any]:
    """The tokenizer, and the table of token vectors, float32, one row a token."""
    purpose = "the local embedding model"
    tokenizers = needed("tokenizers", purpose)
    numpy = needed("safetensors.numpy", purpose)
    package = find_spec("wordllama")
    if package is None or package.origin is None:
        raise Refused("extra_missing", f"{purpose} needs wordllama: pip install 'graph-orchestrator[{EXTRA}]'")
    folder = Path(package.origin).parent
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    (table,) = numpy.load_file(folder / "weights" / f"{LOCAL_MODEL}.safetensors").values()
    return tokenizer, table.astype("float32")
