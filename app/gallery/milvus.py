"""The gallery in Milvus: a cluster by URL for more than one machine holds, or milvus-lite by a file's path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.errors import GalleryError
from app.gallery.contract import Hit
from app.gallery.overfetch import Scored, best_subjects
from app.gallery.rows import checked_queries, checked_rows

_MOST: Final = 16_384  # Milvus answers no more rows to one search
_AT_ONCE: Final = 5_000  # rows of one message, below its 64 MB at any width we know


class MilvusGallery:
    """``Gallery`` with one Milvus collection for each of ours, searched with strong consistency.

    ``index`` is the index type: FLAT is exact. A subject with more than 16,384 templates nearer than all
    others hides the rest: Milvus answers no more rows.
    """

    def __init__(
        self, url: str, width: int, *, token: str = "", index: str = "FLAT", prefix: str = "frontalis"
    ) -> None:
        from pymilvus import MilvusClient

        self.width = width
        self._index, self._prefix = index, f"{prefix}_{width}"
        self._loaded: set[str] = set()
        with _answering():
            self._client: Any = MilvusClient(uri=url, token=token)

    def add(
        self, collection: int, templates: NDArray[np.int64], subjects: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> None:
        ids, owners, rows = checked_rows(self.width, templates, subjects, vectors)
        with _answering():
            name = self._made(collection)
            for at in range(0, len(ids), _AT_ONCE):
                part = slice(at, at + _AT_ONCE)
                data = zip(ids[part].tolist(), owners[part].tolist(), rows[part], strict=True)
                self._client.upsert(name, [{"template": t, "subject": s, "vector": v} for t, s, v in data])

    def remove(self, collection: int, templates: NDArray[np.int64]) -> int:
        name, gone = self._name(collection), 0
        with _answering():
            if not self._there(name):
                return 0
            ids = np.asarray(templates, np.int64)
            for at in range(0, len(ids), _AT_ONCE):
                part = ids[at : at + _AT_ONCE].tolist()
                gone += len(self._client.get(name, ids=part, output_fields=["template"], consistency_level="Strong"))
                self._client.delete(name, ids=part)
        return gone

    def drop(self, collection: int) -> None:
        with _answering():
            if self._there(self._name(collection)):
                self._client.drop_collection(self._name(collection))
                self._loaded.discard(self._name(collection))

    def search(self, collection: int, queries: NDArray[np.float32], k: int) -> list[list[Hit]]:
        rows = checked_queries(self.width, queries, k)
        with _answering():
            if not self._there(self._name(collection)):
                return [[] for _ in rows]
            return [best_subjects(lambda n, row=row: self._nearest(collection, row, n), k, _MOST) for row in rows]  # type: ignore[misc]

    def count(self, collection: int) -> int:
        name = self._name(collection)
        with _answering():
            if not self._there(name):
                return 0
            counted = self._client.query(name, filter="", output_fields=["count(*)"], consistency_level="Strong")
            return int(counted[0]["count(*)"])

    def collections(self) -> list[int]:
        with _answering():
            own = [name.removeprefix(f"{self._prefix}_") for name in self._client.list_collections()]
        return [int(name) for name in own if name.isdecimal()]

    def ids(self, collection: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        pairs: list[tuple[int, int]] = []
        with _answering():
            if self._there(self._name(collection)):
                every = self._client.query_iterator(
                    self._name(collection),
                    batch_size=_AT_ONCE,
                    output_fields=["template", "subject"],
                    consistency_level="Strong",
                )
                while part := every.next():
                    pairs += [(row["template"], row["subject"]) for row in part]
                every.close()
        both = np.array(pairs, np.int64).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    def forget_others(self, like: str) -> None:
        """Drop all other collections whose names begin so: what another model left behind holds faces too."""
        with _answering():
            for name in self._client.list_collections():
                if name.startswith(like) and not name.startswith(f"{self._prefix}_"):
                    self._client.drop_collection(name)

    def close(self) -> None:
        with _answering():
            self._client.close()

    def _name(self, collection: int) -> str:
        return f"{self._prefix}_{collection}"

    def _there(self, name: str) -> bool:
        """Whether it exists; then it is ready for searches: a server that was started anew has it on the disk only."""
        if not self._client.has_collection(name):
            return False
        if name not in self._loaded:
            self._client.load_collection(name)
            self._loaded.add(name)
        return True

    def _made(self, collection: int) -> str:
        from pymilvus import DataType

        name = self._name(collection)
        if not self._there(name):
            schema = self._client.create_schema(auto_id=False)
            schema.add_field("template", DataType.INT64, is_primary=True)
            schema.add_field("subject", DataType.INT64)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.width)
            index = self._client.prepare_index_params()
            index.add_index("vector", index_type=self._index, metric_type="IP")
            self._client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
        return name

    def _nearest(self, collection: int, query: NDArray[np.float32], n: int) -> Scored:
        found = self._client.search(
            self._name(collection), [query], limit=n, output_fields=["subject"], consistency_level="Strong"
        )[0]
        return (
            np.array([hit["distance"] for hit in found], np.float32),
            np.array([hit["entity"]["subject"] for hit in found], np.int64),
            np.array([hit["template"] for hit in found], np.int64),
        )


@contextmanager
def _answering() -> Iterator[None]:
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        raise GalleryError("Milvus cannot be reached or refused") from error
