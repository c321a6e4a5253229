"""The sandbox's process: `python -m sandbox.server` serves the strict emulator on one port until stdin ends.

When it is ready, it prints one line of JSON, `{"url": "http://127.0.0.1:<port>"}`. It ends on SIGTERM, on SIGINT and at
the end of its stdin, so that no server outlives the process that started it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import random
import signal
import socket
import sys
import threading
from typing import NoReturn

import hypercorn.asyncio.run as hypercorn_run
from hypercorn.asyncio import serve
from hypercorn.config import Config

from sandbox.exchange import connection

QUIET = {
    "LOG_LEVEL": "WARNING",
    "SFTP_ENABLED": "0",
    "IOT_MTLS_ENABLED": "0",
    "PERSIST_STATE": "0",
    "LAMBDA_EXECUTOR": "local",
    "LAMBDA_STRICT": "0",
    "AUTH": "false",
}
"""MiniStack's settings: no additional service, no files, functions in local processes, and no IAM enforcement, which
`sandbox.authorization` replaces."""


def main() -> NoReturn:
    """Serve until a signal or the end of stdin."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 picks a free one (default)")
    parser.add_argument("--settle", type=float, default=0.1, help="seconds that an update takes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weighted routing (default: %(default)s)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        listener = listen(options.host, options.port)
    except (OSError, OverflowError) as error:
        sys.exit(f"cannot listen on {options.host}:{options.port}: {error} (without --port, a free one is chosen)")
    port = listener.getsockname()[1]
    os.environ.update(QUIET, GATEWAY_PORT=str(port))
    asyncio.run(run(listener, f"http://{options.host}:{port}", options.settle, options.seed))


def listen(host: str, port: int) -> socket.socket:
    """Return a bound socket, so that the port is known before MiniStack reads it at its import."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen()
    return listener


async def run(listener: socket.socket, url: str, settle: float, seed: int) -> NoReturn:
    """Serve the sandbox on a bound socket until a signal or the end of stdin, then end the process.

    There is nothing to save. Held requests and running functions must not keep the process alive.
    """
    from sandbox import unpacking, workers  # noqa: PLC0415 - MiniStack reads its settings at its import
    from sandbox.app import create  # noqa: PLC0415 - as above

    workers.skip_recursion_counter()
    workers.tell_failures()
    workers.take_logs_at_once()
    workers.fork_python_handlers()
    unpacking.install()
    unpacking.respect_modes()
    stopping = asyncio.Event()
    stop_on_request(stopping)
    expose_connections()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "WARNING"
    config.keep_alive_timeout = 300
    config.h11_pass_raw_headers = False
    server = asyncio.create_task(serve(create(settle, random.Random(seed)), config, shutdown_trigger=forever))  # noqa: S311 - traffic, not secrets
    # Almost all objects are modules and models, which stay.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    print(json.dumps({"url": url}), flush=True)  # noqa: T201 - the parent waits for this line
    stopped = asyncio.create_task(stopping.wait())
    tidying = asyncio.create_task(workers.end_idle_forever())
    await asyncio.wait({server, stopped, tidying}, return_when=asyncio.FIRST_COMPLETED)
    workers.end_all()
    unpacking.remove_all()
    for task in (server, tidying):
        if task.done():
            task.result()
    os._exit(0)


async def forever() -> None:
    """Never return: the process ends with `os._exit`, without waiting for open connections."""
    await asyncio.Event().wait()


def stop_on_request(stopping: asyncio.Event) -> None:
    """Set the event on SIGTERM, SIGINT and the end of stdin."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    def wait_for_end_of_input() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=wait_for_end_of_input, name="end-of-input", daemon=True).start()


def expose_connections() -> None:
    """Give each request's task its connection (`sandbox.exchange.connection`), which ASGI hides.

    Hypercorn creates one TCPServer for each connection, in a separate task that starts the tasks of its requests.
    """
    make_server = hypercorn_run.TCPServer

    def make_known_server(*arguments: object) -> object:
        *_, writer = arguments
        connection.set(writer.transport)  # type: ignore[attr-defined]
        return make_server(*arguments)

    hypercorn_run.TCPServer = make_known_server


if __name__ == "__main__":
    main()
