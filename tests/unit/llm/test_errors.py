"""What each failure of a model or the network means for `retry`, `on_invalid` and `on_error`."""

import errno
import socket
import sys

import httpx
import openai
import pytest
from langchain_core.exceptions import OutputParserException

from orchestrator.errors import ModelUnavailable
from orchestrator.llm.errors import MalformedReply, classify

http = sys.modules[openai.APIError.__init__.__globals__["httpx2"].__name__] if False else None
CLIENT = openai._base_client.httpx2 if hasattr(openai._base_client, "httpx2") else httpx
