"""A headless Chromium, driven over its debugging protocol: enough to see whether a page works."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import websocket

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 120.0
"""Seconds to wait for the browser; it answers at once, unless the machine is very busy."""


class Page:
    """An open page. Whatever it complains of or asks the network for is gathered from the very start."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self._number = 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
            self.errors.append(str(parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def open(self, path: Path, *, width: int, query: str = "") -> None:
        self.visit(path.resolve().as_uri() + query, width=width)

    def visit(self, url: str, *, width: int) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        # The page before may still answer for a moment, and it is complete.
        self.evaluate("window.before = true")
        self.send("Page.navigate", url=url)
        self.until("!window.before && document.readyState === 'complete'")

    def evaluate(self, script: str) -> Any:
        """The value of an expression, as if a click had run it; promises are awaited."""
        answer = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + PATIENCE
        while not self.evaluate(condition):
            assert time.monotonic() < deadline, f"still not so: {condition}"
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """Move the mouse onto the first element of a selector, and press it."""
        box = f"document.querySelector({selector!r}).getBoundingClientRect()"
        place = self.evaluate(f"(() => {{ const b = {box}; return [b.x + b.width / 2, b.y + b.height / 2]; }})()")
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            pressed = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], **pressed)

    def press(self, *keys: str) -> None:
        """Press and release keys, one after the other, as a hand would: by their names, such as Enter or ArrowLeft."""
        for key in keys:
            known = {"Enter": 13, "Tab": 9, " ": 32, "ArrowLeft": 37, "ArrowRight": 39}
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            pressed = {"key": key, "code": "Space" if key == " " else key}
            pressed["windowsVirtualKeyCode"] = known.get(key) or ord(key)
            self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **pressed)
            self.send("Input.dispatchKeyEvent", type="keyUp", **pressed)


@contextmanager
def browser() -> Iterator[Page]:
    """A fresh Chromium with one empty page; it is gone when the block ends."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio", "--no-first-run"]
        command += [
            "--remote-debugging-port=0",
            "--remote-allow-origins=*",
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            connection = websocket.create_connection(_address(Path(profile), process), timeout=PATIENCE)
            try:
                yield Page(connection)
            finally:
                connection.close()
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


def _address(profile: Path, process: "subprocess.Popen[bytes]") -> str:
    """Where the browser's first page listens; Chromium writes its port into the profile once it is up."""
    deadline, file = time.monotonic() + PATIENCE, profile / "DevToolsActivePort"
    while time.monotonic() < deadline:
        assert process.poll() is None, "the browser did not start"
        if file.exists() and (lines := file.read_text().splitlines()):
            with urlopen(f"http://127.0.0.1:{lines[0]}/json") as answer:
                pages = [target for target in json.load(answer) if target["type"] == "page"]
            if pages:
                return pages[0]["webSocketDebuggerUrl"]
        time.sleep(0.05)
    raise AssertionError("the browser did not open a page in time")
