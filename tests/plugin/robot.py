"""A robot at a key, behind HTTP as docs/testing-with-vukey.md has it: python robot.py SERIAL PORT [camera]."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hostdriver.control import KeyApi


class Robot(BaseHTTPRequestHandler):
    """Its hands and its eye are the control API of a virtual key."""

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
        key = KeyApi.find(sys.argv[1])
        acts = {
            "/hand/press": lambda: key.press(wanted["button"]),
            "/hand/type": lambda: key.type(wanted["digits"], wanted["ok"]),
            "/hand/plug": key.plug,
            "/hand/unplug": key.unplug,
        }
        if wanted.get("button") == "power":
            self._answer(500)  # out of its reach
            return
        acts[self.path]()
        self._answer(204)

    def do_GET(self) -> None:
        if "camera" in sys.argv and self.path == "/hand/screen":
            self._answer(200, json.dumps({"text": KeyApi.find(sys.argv[1]).screen()["text"]}).encode())
        else:
            self._answer(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Robot)
    print("ready", flush=True)
    server.serve_forever()
