"""The playground as a server for this machine alone: loopback, no sharing, no telephone, nothing kept."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from esn_interp.errors import EsnError
from esn_interp.playground.bench import LARGEST, Bench
from esn_interp.playground.parts import map_page
from esn_interp.playground.voice import Voice
from esn_interp.report.page import asset

HOST = "127.0.0.1"
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:;"
    " connect-src 'self' ws: blob: data:; frame-src 'self'; frame-ancestors 'self'"
)
"""What the browser may ask for: this server, and no other."""

_PALE = ("block_title_text_color", "block_label_text_color", "body_text_color_subdued", "input_placeholder_color")
_READABLE = {**dict.fromkeys(_PALE, "*neutral_700"), **{f"{name}_dark": "*neutral_200" for name in _PALE}}
"""Text that gradio draws too pale to be read by everybody (WCAG 2.2, 1.4.3)."""

NeuronPage = Callable[[int, int], str]


def application(bench: Bench, voice: Voice, neuron_page: NeuronPage) -> Any:
    """The page at ``/``, the map of a choice at ``/map``, and a neuron's page at ``/neuron/LAYER/NEURON``.

    Raises
    ------
    EsnError
        When gradio is missing.
    """
    if find_spec("gradio") is None:
        raise EsnError("the playground needs gradio: pip install 'esn-interp[play]'")
    # Before gradio is imported: it asks for its own version on the network otherwise.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    _import_anyio()
    gr: Any = import_module("gradio")
    from fastapi import FastAPI
    from fastapi.middleware.trustedhost import TrustedHostMiddleware
    from fastapi.responses import HTMLResponse

    from esn_interp.playground.page import build

    app = FastAPI(openapi_url=None)
    # Another site that points its name at this machine is not answered.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])

    app.add_middleware(_FromHereOnly)

    @app.get("/map", response_class=HTMLResponse)
    def neuron_map(selector: str = "mad", top: float = 0.02) -> Any:
        return _told(HTMLResponse, lambda: map_page(bench.map(selector, top)))

    @app.get("/neuron/{layer}/{neuron}", response_class=HTMLResponse)
    def page_of_neuron(layer: int, neuron: int) -> Any:
        return _told(HTMLResponse, lambda: neuron_page(layer, neuron))

    plain = ["system-ui", "sans-serif"]
    theme: Any = gr.themes.Default(primary_hue="blue", font=plain, font_mono=["ui-monospace", "monospace"])
    theme.set(**_READABLE)

    async def mounted() -> Any:
        return gr.mount_gradio_app(
            app,
            build(bench, voice),
            path="/",
            server_name=HOST,
            max_file_size=f"{LARGEST}mb",
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            show_error=True,
            theme=theme,
            css=asset("playground/page.css"),
        )

    # Within a loop: gradio otherwise opens one for each of its locks, and closes none.
    with closing(asyncio.new_event_loop()) as loop:
        return loop.run_until_complete(mounted())


class _FromHereOnly:
    """Says with every answer that the browser may ask nobody else, and keep nothing but our scripts."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        kept = scope.get("path", "").startswith(("/assets", "/static"))
        told = {
            b"content-security-policy": _POLICY.encode(),
            b"referrer-policy": b"no-referrer",
            **({} if kept else {b"cache-control": b"no-store"}),
        }

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                others = [pair for pair in message["headers"] if pair[0].lower() not in told]
                message = {**message, "headers": [*others, *told.items()]}
            await send(message)

        await self.app(scope, receive, with_headers)


def _import_anyio() -> None:
    """Import what gradio's server stands on without nnsight's ``save`` on every object.

    anyio refuses classes with a name that they do not declare, and nnsight gives ``save`` to all of them. It is away
    while anyio is imported, and back afterwards, where traces need it.
    """
    import nnsight

    mounting: Any = import_module("nnsight._c")
    unmount = mounting.unmount if hasattr(object, "save") else None
    if unmount is not None:
        unmount("save")
    try:
        for name in ("anyio.abc", "anyio.streams.tls", "anyio._backends._asyncio"):
            import_module(name)
    finally:
        if unmount is not None:
            mounting.mount(nnsight.save, "save")


@contextmanager
def nothing_kept() -> Generator[str, None, None]:
    """A folder for what gradio writes while it runs, uploads above all; it is gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="esn-play-", ignore_cleanup_errors=True) as folder:
        before = os.environ.get("GRADIO_TEMP_DIR")
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            yield folder
        finally:
            if before is None:
                del os.environ["GRADIO_TEMP_DIR"]
            else:
                os.environ["GRADIO_TEMP_DIR"] = before


def serve(bench: Bench, voice: Voice, neuron_page: NeuronPage, *, port: int, ready: Callable[[str], None]) -> None:
    """Answer this machine's browser until the process is told to stop; ``ready`` is called with the address."""
    with nothing_kept():
        app = application(bench, voice, neuron_page)
        import uvicorn

        server = uvicorn.Server(uvicorn.Config(app, host=HOST, port=port, log_level="warning"))

        async def run() -> None:
            serving = asyncio.create_task(server.serve())
            while not server.started and not serving.done():
                await asyncio.sleep(0.05)
            if server.started:
                ready(f"http://{HOST}:{server.servers[0].sockets[0].getsockname()[1]}/")
            await serving

        asyncio.run(run())


def _told(answer: Callable[..., Any], make: Callable[[], str]) -> Any:
    """A page, or our one line where it can't be made."""
    try:
        return answer(make())
    except EsnError as error:
        from markupsafe import escape

        return answer(f'<!doctype html><html lang="en"><title>Not there</title><p>{escape(str(error))}</p>', 404)
