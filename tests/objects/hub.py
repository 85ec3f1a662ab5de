"""A hub of data sets for tests: the part of Hugging Face's HTTP API that lists and reads, over the commits of one data set.

    python3 hub.py FOLDER TOKEN

prints two ports of 127.0.0.1: of the API, and of another server, where the bytes lie. FOLDER has a folder for each commit, and a file
`main` that names the one that is the newest. It ends when its stdin is closed. `GET /_log` on the first port gives, and empties, what was
asked: [server, path, range, whether the token came].
"""

import hashlib
import json
import os
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER, TOKEN = Path(sys.argv[1]), sys.argv[2]
REPOSITORY = "datasets/team/set"
PAGE = 3
LOG, LOCK = [], threading.Lock()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def note(self, server):
        token = self.headers.get("Authorization")
        with LOCK:
            LOG.append([server, self.path, self.headers.get("Range"), token])


class Api(Answers):
    def do_GET(self):
        if self.path == "/_log":
            with LOCK:
                body, LOG[:] = json.dumps(LOG).encode(), []
            return self.say(200, body)
        self.note("api")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.say(401, b'{"error":"Invalid username or password."}')
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path)
        query = urllib.parse.parse_qs(url.query)
        newest = (FOLDER / "main").read_text().strip()
        known = {path.name for path in FOLDER.iterdir()}
        revision, tree, resolve = (f"/{place}/" for place in (f"api/{REPOSITORY}/revision", f"api/{REPOSITORY}/tree", f"{REPOSITORY}/resolve"))
        if path.startswith(revision):
            named = path.removeprefix(revision)
            commit = newest if named == "main" else named
            return self.say(200, json.dumps({"sha": commit}).encode()) if commit in known else self.say(404)
        if path.startswith(tree):
            commit, _, folder = path.removeprefix(tree).partition("/")
            return self.tree(commit, folder, query["recursive"] == ["true"], int(query.get("cursor", ["0"])[0]), url)
        if path.startswith(resolve):
            commit, _, file = path.removeprefix(resolve).partition("/")
            if not (FOLDER / commit / file).is_file():
                return self.say(404)
            place = f"http://127.0.0.1:{FILES.server_address[1]}/{commit}/{urllib.parse.quote(file)}"
            return self.say(302, headers=[("Location", place), ("X-Repo-Commit", commit)])
        self.say(404)

    def tree(self, commit, folder, recursive, cursor, url):
        base = FOLDER / commit / folder
        if not base.is_dir():
            return self.say(404)
        entries = []
        for path in sorted(base.rglob("*") if recursive else base.iterdir()):
            name = str(path.relative_to(FOLDER / commit))
            if path.is_dir():
                entries.append({"type": "directory", "oid": "0" * 40, "size": 0, "path": name})
                continue
            data = path.read_bytes()
            entry = {"type": "file", "oid": hashlib.sha1(data).hexdigest(), "size": 134, "path": name}
            if name.endswith(".tar"):
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            entries.append(entry)
        headers = []
        if cursor + PAGE < len(entries):
            query = urllib.parse.urlencode({"recursive": str(recursive).lower(), "cursor": cursor + PAGE})
            headers = [("Link", f'<http://{self.headers["Host"]}{url.path}?{query}>; rel="next"')]
        self.say(200, json.dumps(entries[cursor:cursor + PAGE]).encode(), headers)


class Files(Answers):
    def do_GET(self):
        self.note("files")
        data = (FOLDER / urllib.parse.unquote(self.path).lstrip("/")).read_bytes()
        first, last = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
        part = data[first:last + 1]
        self.say(206, part, [("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(data)}"), ("ETag", '"of-another-kind"')])


FILES = ThreadingHTTPServer(("127.0.0.1", 0), Files)
API = ThreadingHTTPServer(("127.0.0.1", 0), Api)
for server in (FILES, API):
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(API.server_address[1], FILES.server_address[1], flush=True)
sys.stdin.buffer.read()
os._exit(0)
