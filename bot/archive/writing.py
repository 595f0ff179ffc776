"""An export, written in memory: the document that holds everything, and the ZIP of its views."""

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from bot.archive import json_text
from bot.archive.chatgpt import conversations
from bot.archive.page import page, pieces
from bot.archive.views import Tables, audit_entry, memories, messages
from bot.audit_view import told
from bot.export_words import README
from storage import AuditDetail

SCHEMA, VERSION = "org.confidant.export/", "1"
HEAD = ("schema", "created_at", "user_id", "audit_head")
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)  # that a ZIP can say of a file


@dataclass(frozen=True, slots=True)
class Export:
    """Everything that is held of a person at one moment.

    `document` is what is imported again; `entries` are those of the audit log, with their numbers,
    and `told` the numbers of those that a person is shown, as `!audit` would at that moment.
    """

    made_at: datetime
    document: Mapping[str, Any]
    entries: Sequence[Mapping[str, Any]]
    told: frozenset[int]

    @classmethod
    def of(
        cls,
        user_id: str,
        tables: Tables,
        disclosed: Sequence[tuple[int, AuditDetail]],
        made_at: datetime,
        head: str = "",
        *,
        besides: str = "",
    ) -> "Export":
        """The export of a vault's tables; `head` is the signed head of the log, '' without one.

        `besides` is the event that asked for it, which is being answered.
        """
        document = {
            "schema": SCHEMA + VERSION,
            "created_at": made_at.astimezone(UTC).isoformat(),
            "user_id": user_id,
            "audit_head": head,
            "tables": tables,
        }
        entries = [audit_entry(*one) for one in disclosed]
        numbers = frozenset(seq for seq, _ in told(disclosed, besides=besides))
        return cls(made_at, document, entries, numbers)

    @property
    def shown(self) -> Sequence[Mapping[str, Any]]:
        """The entries that the page tells of."""
        return [one for one in self.entries if one["seq"] in self.told]

    def as_json(self) -> bytes:
        """`export.json`, a row a line."""
        return b"".join(_encoded(self._document()))

    def as_page(self) -> bytes:
        """`index.html`, to be read without anything else."""
        return page(self.document, self.shown)

    def as_zip(self, *, views: bool = True) -> bytes:
        """All of it; the same export gives the same bytes.

        Without the views of it, it is about a third as large, and nothing is lost.
        """
        packed, about = io.BytesIO(), dict[str, json_text.Pieces]()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, pieces in chain(self._basis(), self._views() if views else ()):
                about[name] = json_text.row(_packed(archive, self._member(name), pieces))
            archive.writestr(self._member("manifest.json"), "".join(self._manifest(about)))
        return packed.getvalue()

    def _basis(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield "README.txt", [README.encode()]
        yield "export.json", _encoded(self._document())
        yield "audit.jsonl", _encoded(json_text.lines(self.entries))

    def _views(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        tables = self.document["tables"]
        yield "index.html", pieces(self.document, self.shown)
        yield "memories.json", _encoded(json_text.array(map(json_text.row, memories(tables))))
        yield "messages.jsonl", _encoded(json_text.lines(messages(tables)))
        yield "conversations.json", _encoded(conversations(tables["turn"]))

    def _document(self) -> Iterator[str]:
        tables = {
            name: json_text.array(map(json_text.row, rows))
            for name, rows in self.document["tables"].items()
        }
        head = {name: json_text.row(self.document[name]) for name in HEAD}
        return json_text.mapping({**head, "tables": json_text.mapping(tables)})

    def _manifest(self, about: Mapping[str, json_text.Pieces]) -> Iterator[str]:
        head = {
            "format": json_text.row(SCHEMA + VERSION),
            "made_at": json_text.row(self.document["created_at"]),
            "audit_head": json_text.row(self.document["audit_head"]),
        }
        return json_text.mapping({**head, "files": json_text.mapping(about)})

    def _member(self, name: str) -> zipfile.ZipInfo:
        made_at = max(self.made_at.astimezone(UTC), EARLIEST)
        member = zipfile.ZipInfo(name, made_at.timetuple()[:6])
        member.compress_type = zipfile.ZIP_DEFLATED
        member.external_attr = 0o600 << 16
        return member


def _packed(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, pieces: Iterable[bytes]
) -> dict[str, Any]:
    """Write one file; what the manifest says of it."""
    hashed = hashlib.sha256()
    with archive.open(member, "w") as file:
        for piece in pieces:
            hashed.update(piece)
            file.write(piece)
    return {"bytes": member.file_size, "sha256": hashed.hexdigest()}


def _encoded(pieces: json_text.Pieces) -> Iterator[bytes]:
    return (piece.encode() for piece in pieces)
