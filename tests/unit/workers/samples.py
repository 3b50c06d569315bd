"""Documents, sources and tickets that the tests of the workers share."""

from __future__ import annotations

from workers.documents import Document
from workers.extraction import Source
from workers.triage import Ticket

TEXT = """# The bridge

The bridge was opened in 1932 by the mayor of the town.
It carries more than 160,000 vehicles on a working day.

- Painting the bridge takes a crew of forty painters ten years.

| year | vehicles |
|---|---|
| 1990 | a table row is never quoted |

```python
print("code is never quoted, whatever it says here")
```

The painters begin again at the other end of the bridge when they have finished.
"""


def document(path: str = "bridge.md", text: str = TEXT) -> Document:
    return Document(path=path, characters=len(text), read_characters=len(text), text=text)


def source(number: int, quote: str, *, document: str = "bridge.md", method: str = "agent") -> Source:
    return Source.model_validate(
        {"number": number, "document": document, "point": quote, "quote": quote, "method": method}
    )


def ticket(**changes: object) -> Ticket:
    plain = {
        "id": "m-1",
        "text": "The export fails.",
        "category": "bug",
        "urgency": "normal",
        "queue": "engineering",
        "method": "agent",
        "answer": True,
    }
    return Ticket.model_validate(plain | changes)
