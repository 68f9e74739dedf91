"""The gallery in Postgres, by the extension pgvector (0.8 or later): shared by all who reach the database.

Exact unless ``hnsw``; an HNSW index is fast but may miss the hard probes (docs/gallery.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from app.errors import GalleryError
from app.gallery.contract import Hit
from app.gallery.overfetch import Scored, best_subjects
from app.gallery.rows import checked_queries, checked_rows

_MOST: Final = 1 << 30
_MOST_EF: Final = 1000


class PgvectorGallery:
    """``Gallery`` in one table. ``half`` stores float16 (``halfvec``), a quarter of the memory of an index.

    The table is ours alone: ``<table>_<width>``, so that two widths may share a database.
    """

    def __init__(
        self, url: str, width: int, *, half: bool = True, hnsw: bool = False, table: str = "gallery_vectors"
    ) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,39}", table):
            raise GalleryError("A table's name is lower-case letters, digits and underscores")
        self.width = width
        self._type = f"{'halfvec' if half else 'vector'}({width})"
        self._table = f"{table}_{width}"
        self._hnsw = hnsw
        self._engine = create_engine(url, pool_pre_ping=True)
        with self._begin() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
            connection.execute(
                text(
                    f"CREATE TABLE IF NOT EXISTS {self._table} (collection bigint NOT NULL, template bigint NOT NULL, "
                    f"subject bigint NOT NULL, vector {self._type} NOT NULL, PRIMARY KEY (collection, template))"
                )
            )
            if hnsw:
                kind = "halfvec_ip_ops" if half else "vector_ip_ops"
                connection.execute(
                    text(
                        f"CREATE INDEX IF NOT EXISTS {self._table}_hnsw ON {self._table} USING hnsw (vector {kind}) "
                        "WITH (m = 16, ef_construction = 64)"
                    )
                )

    def add(
        self, collection: int, templates: NDArray[np.int64], subjects: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> None:
        ids, owners, rows = checked_rows(self.width, templates, subjects, vectors)
        with self._begin() as connection:
            connection.execute(
                text(f"CREATE TEMP TABLE fresh (template bigint, subject bigint, vector {self._type}) ON COMMIT DROP")
            )
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy("COPY fresh FROM STDIN") as copy:
                for template, subject, row in zip(ids.tolist(), owners.tolist(), rows, strict=True):
                    copy.write_row((template, subject, _literal(row)))
            connection.execute(
                text(
                    f"INSERT INTO {self._table} SELECT :collection, template, subject, vector FROM fresh "
                    "ON CONFLICT (collection, template) DO UPDATE SET subject = EXCLUDED.subject, "
                    "vector = EXCLUDED.vector"
                ),
                {"collection": collection},
            )

    def remove(self, collection: int, templates: NDArray[np.int64]) -> int:
        with self._begin() as connection:
            return connection.execute(
                text(f"DELETE FROM {self._table} WHERE collection = :collection AND template = ANY(:templates)"),
                {"collection": collection, "templates": np.asarray(templates).tolist()},
            ).rowcount

    def drop(self, collection: int) -> None:
        with self._begin() as connection:
            connection.execute(
                text(f"DELETE FROM {self._table} WHERE collection = :collection"), {"collection": collection}
            )

    def search(self, collection: int, queries: NDArray[np.float32], k: int) -> list[list[Hit]]:
        rows = checked_queries(self.width, queries, k)
        with self._begin() as connection:
            return [
                best_subjects(lambda n, row=row: self._nearest(connection, collection, row, n), k, _MOST)  # type: ignore[misc]
                for row in rows
            ]

    def count(self, collection: int) -> int:
        with self._begin() as connection:
            counted = connection.execute(
                text(f"SELECT count(*) FROM {self._table} WHERE collection = :collection"), {"collection": collection}
            )
            return int(counted.scalar_one())

    def collections(self) -> list[int]:
        with self._begin() as connection:
            return list(connection.execute(text(f"SELECT DISTINCT collection FROM {self._table}")).scalars())

    def ids(self, collection: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        with self._begin() as connection:
            rows = connection.execute(
                text(f"SELECT template, subject FROM {self._table} WHERE collection = :collection"),
                {"collection": collection},
            )
            pairs = np.fromiter(chain.from_iterable(rows), np.int64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def forget_others(self, like: str) -> None:
        """Drop all other tables whose names begin so: what another model left behind holds faces too."""
        with self._begin() as connection:
            found = connection.execute(
                text(
                    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND starts_with(tablename, :a)"
                ),
                {"a": like},
            ).scalars()
            for name in set(found) - {self._table}:
                connection.execute(text(f'DROP TABLE IF EXISTS "{name}"'))

    def close(self) -> None:
        self._engine.dispose()

    def _nearest(self, connection: Connection, collection: int, query: NDArray[np.float32], n: int) -> Scored:
        if self._hnsw:  # strict order and iteration (0.8): filtering by collection must not cut the answer short
            connection.execute(text("SET LOCAL hnsw.iterative_scan = strict_order"))
            connection.execute(text(f"SET LOCAL hnsw.ef_search = {min(_MOST_EF, max(n, 100))}"))
        # Ordered by the stored type, which an index knows; scored by the query as it came.
        found = connection.execute(
            text(
                f"SELECT -(vector::vector({self.width}) <#> CAST(:query AS vector({self.width}))), subject, template "
                f"FROM {self._table} WHERE collection = :collection "
                f"ORDER BY vector <#> CAST(:query AS {self._type}) LIMIT :n"
            ),
            {"query": _literal(query), "collection": collection, "n": n},
        ).all()
        columns = list(zip(*found, strict=True)) or [(), (), ()]
        return np.array(columns[0], np.float32), np.array(columns[1], np.int64), np.array(columns[2], np.int64)

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise GalleryError("The vectors in Postgres cannot be reached or changed") from error


def _literal(vector: NDArray[np.float32]) -> str:
    return "[" + ",".join(map(repr, vector.tolist())) + "]"
