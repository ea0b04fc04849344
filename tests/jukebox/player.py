"""Plays the first song of the library's list, for whoever asks."""

import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LIST = "http://library:7070/list.json"


class Player(BaseHTTPRequestHandler):
    """Answers every request with a song, or says that it has none."""

    def do_GET(self) -> None:
        try:
            with urllib.request.urlopen(LIST, timeout=1) as answer:
                song, status = json.load(answer)[0], 200
        except OSError as error:
            sys.stdout.write(f"no song: {error}\n")
            song, status = "silence", 503
        self.send_response(status)
        self.end_headers()
        self.wfile.write(f"{song}\n".encode())


ThreadingHTTPServer(("", 4545), Player).serve_forever()
