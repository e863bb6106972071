"""Chromium without a window, driven by its DevTools protocol: JSON through two pipes, each message ended by a zero.

with Chromium(path) as browser:
    page = browser.page(360, 800, dark=True)
    page.open(file)
    page.evaluate("document.title")
"""

import base64
import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path

SECONDS = 10  # that anything may take


class Chromium:
    """A browser; use it in a with statement. path: of the program."""

    def __init__(self, path: str):
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        into_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        flags += ["--hide-scrollbars", f"--user-data-dir={self._folder.name}", "--remote-debugging-pipe", "about:blank"]

        def as_3_and_4():
            one, other = os.dup(into_browser), os.dup(from_browser)  # which may be 3 or 4 themselves
            while min(one, other) < 5:
                one, other = os.dup(one), os.dup(other)
            os.dup2(one, 3)
            os.dup2(other, 4)

        self._process = subprocess.Popen(
            [path, *flags],
            preexec_fn=as_3_and_4,  # where Chromium looks for its pipes
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(into_browser)
        os.close(from_browser)
        self._rest, self._last, self._pages = b"", 0, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def page(self, width: int = 1400, height: int = 900, *, dark: bool = False, calm: bool = False, scripts=True):
        """A new page of so many pixels. calm: its person wants no motion. scripts: whether JavaScript runs."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        features = {"prefers-color-scheme": "dark" if dark else "light"}
        features["prefers-reduced-motion"] = "reduce" if calm else "no-preference"
        page.call("Emulation.setEmulatedMedia", features=[{"name": n, "value": v} for n, v in features.items()])
        page.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        return page

    def call(self, method: str, session: str | None = None, **params):
        """The result of a method of the protocol; events that come before it go to their pages."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(SECONDS)
            if answer is None:
                raise TimeoutError(f"Chromium did not answer {method}")
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _receive(self, seconds: float):
        """The next message, None where none comes in time. An event goes to its page."""
        stop = time.monotonic() + seconds
        while b"\0" not in self._rest:
            ready, *_ = select.select([self._in], [], [], max(0, stop - time.monotonic()))
            if not ready:
                return None
            read = os.read(self._in, 1 << 20)
            if not read:
                raise RuntimeError("Chromium has ended")
            self._rest += read
        text, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(text)
        if "method" in message and message.get("sessionId") in self._pages:
            self._pages[message["sessionId"]].take(message["method"], message["params"])
        return message


class Page:
    """A page of a browser. console: what it has said there, errors too. requests: the addresses that it has asked for,
    without its own and those that it holds itself (data:, blob:)."""

    def __init__(self, browser: Chromium, session: str):
        self._browser, self._session = browser, session
        self.console: list[str] = []
        self.requests: list[str] = []

    def call(self, method: str, **params):
        return self._browser.call(method, self._session, **params)

    def take(self, event: str, params: dict) -> None:
        """An event of the protocol."""
        if event == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(part.get("value", part)) for part in params["args"]))
        elif event == "Runtime.exceptionThrown":
            self.console.append(json.dumps(params["exceptionDetails"]))
        elif event == "Log.entryAdded":
            self.console.append(params["entry"]["text"])
        elif event == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("data:", "blob:")):
            self.requests.append(params["request"]["url"])

    def open(self, path, fragment: str = "") -> None:
        """Open a file."""
        address = Path(path).resolve().as_uri() + fragment
        self.call("Page.navigate", url="about:blank")  # an address that differs in its fragment only loads nothing
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete' && location.protocol === 'file:'")
        self.requests = [request for request in self.requests if request.partition("#")[0] != address.partition("#")[0]]

    def evaluate(self, expression: str):
        """The value of an expression, or of the promise that it is, as JSON."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def wait_for(self, expression: str, seconds: float = SECONDS):
        """The first value of an expression that is true in JavaScript."""
        stop = time.monotonic() + seconds
        while time.monotonic() < stop:
            if found := self.evaluate(f"(() => {{ try {{ return {expression} }} catch {{}} }})()"):
                return found
            time.sleep(0.02)
        raise TimeoutError(f"{expression} did not become true")

    def visible_text(self) -> str:
        """The text that a person sees, also where the page may run no scripts."""
        node = self.call("DOM.getDocument")["root"]["nodeId"]
        body = self.call("DOM.querySelector", nodeId=node, selector="body")["nodeId"]
        found = self.call("DOM.resolveNode", nodeId=body)["object"]["objectId"]
        text = self.call(
            "Runtime.callFunctionOn", objectId=found, functionDeclaration="function () { return this.innerText }"
        )
        return text["result"]["value"]

    def press(self, key: str, text: str = "") -> None:
        """Press a key: "Tab", "Escape", "Enter", or one that writes ``text``."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, " ": 32, "Home": 36, "End": 35}
        text = text or {"Enter": "\r", " ": " "}.get(key, "")
        known = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **known)
        self.call("Input.dispatchKeyEvent", type="keyUp", **known)

    def type(self, text: str) -> None:
        """Write a text where the focus is."""
        self.call("Input.insertText", text=text)

    def screenshot(self, path, whole: bool = True) -> None:
        """A picture of the page as it is."""
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(picture["data"]))
