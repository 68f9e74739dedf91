"""What is done over HTTP is in the audit log, by key, without names or vectors."""

from __future__ import annotations

import json

from fastapi.testclient import TestClient

from app.store import audit
from tests.doubles import photo


def test_who_did_what(client: TestClient) -> None:
    key = client.post("/keys", json={"name": "office", "scopes": ["admin"]}).json()
    headers = {"X-API-Key": key["key"]}
    client.post("/collections", json={"name": "fair"}, headers=headers)
    sent = {"subject_id": "ada", "name": "Lovelace", "collection": "fair"}
    made = client.post("/enroll", files={"images": photo(1)}, data=sent, headers=headers).json()
    client.patch("/subjects/ada", params={"collection": "fair"}, json={"name": "King"}, headers=headers)
    client.delete("/subjects/ada", params={"collection": "fair"}, headers=headers)
    client.delete("/subjects/ada", params={"collection": "fair"}, headers=headers)  # not there: nothing was done
    client.delete("/collections/fair", headers=headers)
    client.delete(f"/keys/{key['key_id']}", headers=headers)
    database = client.app.state.running.parts.database  # type: ignore[attr-defined]
    with database.reading() as session:
        assert audit.verify(session).broken is None
        acts = list(reversed(audit.acts_before(session, None, 100)))
    assert [act.act for act in acts] == [
        "key.created",
        "collection.created",
        "subject.enrolled",
        "subject.changed",
        "subject.deleted",
        "collection.deleted",
        "key.revoked",
    ]
    assert [act.who for act in acts] == ["local", *[key["key_id"]] * 6]
    assert acts[2].ids == {"subject": "ada", "templates": [made["accepted"][0]["template_id"]]}
    told = json.dumps([act.ids for act in acts])
    assert "Lovelace" not in told
    assert "King" not in told
