"""Files that are damaged in every way that files get damaged, made from a whole one by seed."""

import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path


def damaged(whole: bytes, *, seed: int, text: bool) -> Iterator[tuple[str, bytes]]:
    """Every kind of damage to one file, with its name; never the file as it was."""
    rng = random.Random(seed)
    yield "empty", b""
    yield "one byte", whole[:1]
    for share in (0.1, 0.5, 0.9, 0.99):
        yield f"cut at {share:.0%}", whole[: int(len(whole) * share)]
    yield "zeros", bytes(len(whole))
    yield "noise", rng.randbytes(max(64, min(len(whole), 4096)))
    yield "twice", whole + whole
    yield "another file's beginning", b"\x89PNG\r\n\x1a\n" + whole[8:]
    if text:
        yield from _in_text(whole, rng)
    else:
        yield from _in_header(whole)


def _in_text(whole: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    lines = whole.split(b"\n")
    yield "latin-1", whole[: len(whole) // 2] + b"\xe9\xff" + whole[len(whole) // 2 :]
    yield "utf-16", whole.decode("utf-8", "replace").encode("utf-16")
    yield "a NUL inside", whole[: len(whole) // 2] + b"\x00" + whole[len(whole) // 2 :]
    yield "a list around it", b"[" + whole + b"]"
    yield "deep", b"[" * 5000 + b"]" * 5000
    yield "a number", b"12"
    yield "null", b"null"
    if len(lines) > 2:
        gone = rng.randrange(1, len(lines) - 1)
        yield "a line gone", b"\n".join(lines[:gone] + lines[gone + 1 :])


def _in_header(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Of safetensors: the length of the header, and what the header says."""
    (length,) = struct.unpack("<Q", whole[:8])
    header, rest = whole[8 : 8 + length], whole[8 + length :]
    yield "a header of 2^60 bytes", struct.pack("<Q", 2**60) + whole[8:]
    yield "a header one byte short", struct.pack("<Q", length - 1) + whole[8:]
    told = json.loads(header)
    for name, change in {
        "no metadata": lambda one: one.pop("__metadata__"),
        "metadata that is no JSON": lambda one: one["__metadata__"].update(esn="{"),
        "metadata that is a list": lambda one: one["__metadata__"].update(esn="[]"),
        "metadata that is a word": lambda one: one["__metadata__"].update(esn='"esn"'),
        "a version to come": lambda one: one["__metadata__"].update(esn=_with(one, version=999)),
        "another kind": lambda one: one["__metadata__"].update(esn=_with(one, kind="poem")),
        "an array gone": lambda one: one.pop(sorted(set(one) - {"__metadata__"})[-1]),
    }.items():
        other = json.loads(json.dumps(told))
        change(other)
        text = json.dumps(other).encode()
        yield name, struct.pack("<Q", len(text)) + text + rest
    for entry in sorted(json.loads(told["__metadata__"]["esn"])):
        for what, value in (("gone", None), ("a word", "word"), ("minus one", -1), ("a list of lists", [[[]]])):
            other = json.loads(json.dumps(told))
            inner = json.loads(other["__metadata__"]["esn"])
            if inner.get(entry) == value:
                continue
            inner.pop(entry) if value is None else inner.__setitem__(entry, value)
            other["__metadata__"]["esn"] = json.dumps(inner)
            text = json.dumps(other).encode()
            yield f"{entry} {what}", struct.pack("<Q", len(text)) + text + rest


def _with(told: dict[str, dict[str, str]], **changed: object) -> str:
    return json.dumps(json.loads(told["__metadata__"]["esn"]) | changed)


def entries_damaged(content: dict[str, object]) -> Iterator[tuple[str, bytes]]:
    """A JSON object with one entry gone, or of another type."""
    for entry in content:
        for what, value in (("gone", None), ("a word", "word"), ("minus one", -1), ("deep lists", [[[]]])):
            other = dict(content)
            if value is None:
                other.pop(entry)
            elif other[entry] == value:
                continue
            else:
                other[entry] = value
            yield f"{entry} {what}", json.dumps(other).encode()


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder, to see that nothing was written."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
