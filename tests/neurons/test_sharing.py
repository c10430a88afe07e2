"""A set is shared: on a hub (a stand-in on this machine that speaks the protocol), as a table, JSON and mask."""

import base64
import csv
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from planted_listener import EMOTIONS, WIDTHS, planted_set

from esn_interp.errors import EsnError
from esn_interp.neurons.neuron_set import NeuronSet

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Repositories in memory: made, filled by commits, and read file by file."""

    repositories: dict[str, dict[str, bytes]]
    made_private: dict[str, bool]

    def log_message(self, *_: object) -> None: ...

    def answer(self, content: bytes, code: int = 200, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def tell(self, content: object, code: int = 200) -> None:
        self.answer(json.dumps(content).encode(), code, Content_Type="application/json")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.made_private[name] = bool(asked.get("private")) or asked.get("visibility") == "private"
            self.repositories.setdefault(name, {})
            self.tell({"url": f"http://{self.headers['Host']}/{name}", "name": name})
        elif path.endswith("/preupload/main"):
            files = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                for one in json.loads(body)["files"]
            ]
            self.tell({"files": files})
        elif path.endswith("/commit/main"):
            name = path.removeprefix("/api/models/").removesuffix("/commit/main")
            for line in filter(None, body.splitlines()):
                one = json.loads(line)
                if one["key"] == "file":
                    self.repositories[name][one["value"]["path"]] = base64.b64decode(one["value"]["content"])
            self.tell({"commitUrl": f"http://{self.headers['Host']}/{name}/commit/{COMMIT}", "commitOid": COMMIT})
        elif path == "/api/validate-yaml":
            self.tell({"errors": [], "warnings": []})
        else:
            self.tell({"error": f"nothing at {path}"}, 404)

    def do_GET(self) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        name, file = "/".join(parts[:2]), "/".join(parts[4:])
        content = self.repositories.get(name, {}).get(file)
        if parts[2:3] != ["resolve"] or content is None:
            self.answer(b"", 404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            return
        self.answer(content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=COMMIT)

    do_HEAD = do_GET


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Hub]]]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # this hub is on this machine
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path / "cache"), raising=False)
    kind = type("ThisHub", (Hub,), {"repositories": {}, "made_private": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", kind
    server.shutdown()
    server.server_close()


def same(one: NeuronSet, other: NeuronSet) -> bool:
    return one.origin == other.origin and one.to_frame().equals(other.to_frame()) and one.selector == other.selector


def test_what_is_put_on_a_hub_comes_back(hub):
    address, kind = hub
    esns = planted_set()
    told = esns.push_to_hub("somebody/planted", endpoint=address, token="hf_none")
    assert told.endswith(f"somebody/planted/commit/{COMMIT}")
    assert kind.made_private == {"somebody/planted": True}  # nothing is public unless that is said
    assert set(kind.repositories["somebody/planted"]) == {"README.md", "esns.safetensors"}
    assert same(NeuronSet.from_hub("somebody/planted", endpoint=address), esns)
    card = kind.repositories["somebody/planted"]["README.md"].decode()
    assert f"{len(esns.indices())} neurons of {sum(WIDTHS)} gates" in card
    assert 'esn.NeuronSet.from_hub("somebody/planted")' in card
    assert all(f"| {emotion} | {len(esns[emotion])} |" in card for emotion in EMOTIONS)


def test_what_is_not_there_is_said_in_a_line(hub):
    address, _ = hub
    with pytest.raises(EsnError, match=r"somebody/other: no esns\.safetensors to be had there") as caught:
        NeuronSet.from_hub("somebody/other", endpoint=address)
    assert "\n" not in str(caught.value)


def test_a_hub_that_is_not_there_is_said_in_a_line():
    with pytest.raises(EsnError, match="somebody/planted: the neurons were not put there"):
        planted_set().push_to_hub("somebody/planted", endpoint="http://127.0.0.1:9", token="hf_none")


def test_the_table_holds_every_member(tmp_path: Path):
    esns = planted_set()
    esns.to_csv(tmp_path / "esns.csv")
    with (tmp_path / "esns.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["emotion"], int(row["layer"]), int(row["neuron"])) for row in rows] == [
        (EMOTIONS[emotion], layer, neuron)
        for emotion, layer, neuron in zip(esns.emotion, esns.layer, esns.neuron, strict=True)
    ]


def test_plain_json_says_where_a_set_is_from(tmp_path: Path):
    esns = planted_set()
    esns.to_json(tmp_path / "esns.json")
    content = json.loads((tmp_path / "esns.json").read_text(encoding="utf-8"))
    assert (content["model"], content["widths"]) == (esns.model, list(WIDTHS))
    for emotion, members in content["neurons"].items():
        flat = [int(esns.origin.offsets[one["layer"]]) + one["gate"] for one in members]
        assert flat == esns.indices(emotion).tolist()


def test_the_mask_is_that_of_lape():
    esns = planted_set()
    mask = esns.lape_mask()
    assert [len(layers) for layers in mask] == [len(WIDTHS)] * len(EMOTIONS)
    for emotion, layers in zip(EMOTIONS, mask, strict=True):
        # what LAPE's code does with it: in each layer, the gates of the language are set to zero
        silenced = np.concatenate([np.isin(np.arange(width), one) for width, one in zip(WIDTHS, layers, strict=True)])
        assert np.flatnonzero(silenced).tolist() == esns.indices(emotion).tolist()
