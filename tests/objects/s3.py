"""An object store for tests, and in front of it a proxy that looks who may come in, counts, and does harm as it is told to.

    python3 s3.py KEY_ID SECRET [s3 | gs | az]

starts one of `stores.py`, prints the port of 127.0.0.1 where the proxy listens, and ends when its stdin is closed. Control is plain HTTP, with JSON both ways:

    POST /_control/BUCKET/upload {"folder": F, "prefix": P}   makes the bucket, and puts every file below F there under P: {key: size}
    POST /_control/BUCKET/put {"key": K, "file": F}           writes one object
    POST /_control/BUCKET/delete {"key": K}                   deletes one object
    POST /_control/BUCKET/download {"prefix": P, "folder": F} writes every object below P to a file below F: {key: size}
    POST /_control/BUCKET/anonymous {"is": true}              answers requests that bear no signature
    POST /_control/BUCKET/rules [RULE, ...]                   takes the place of the rules before; what waits goes on
    POST /_control/BUCKET/reset {}                            counts from zero
    GET  /_control/BUCKET/counts                              what was asked and sent since
    GET  /_control/BUCKET/requests                            each request since, in the order of their coming

A rule says when and what. When: "on" is get, list, head, put, post, delete or any; "key" is a pattern of keys; "skip" lets so many matches pass; "times"
bounds how many are met; "share" and "seed" meet a part of them, by a seeded sequence. The first rule that is met counts. What, in "do":

    {"status": 503}                      answers this with the store's XML, and sends no object
    {"refuse": true}                     closes the connection without an answer
    {"hold": S}                          waits so long, or until the rules change, before it is passed on
    {"lose": true}                       passes it on, and closes the connection without an answer
    {"cut": N, "reset": false}           sends N bytes of the body (below 1: that share of it), then closes, or resets, the connection
    {"stall": N, "seconds": S}           sends N bytes (or a share), waits so long, or until the rules change, and goes on
    {"dribble": N, "pause": S}           sends N bytes at a time, with a pause between
    {"swap": FILE}                       writes the file over the object before the request is passed on
    {"drop": ["if-match"]}               passes the request on without these headers
    {"page": N}                          on a list: answers with so many keys a page
    {"whole": true}                      passes it on without its range: answers 200 with all of it
"""

import fnmatch
import json
import os
import random
import select
import socket
import struct
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from stores import KNOWN, STORES, error_of

CHUNK = 64 << 10
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "server", "date"}


class Rule:
    """Harm that is to be done, and how often it was."""

    def __init__(self, said):
        self.on, self.key = said.get("on", "get"), said.get("key", "*")
        self.skip, self.times = said.get("skip", 0), said.get("times")
        self.share, self.random = said.get("share", 1.0), random.Random(said.get("seed", 0))
        self.do, self.met = said["do"], 0

    def meets(self, kind, key):
        if self.on not in ("any", kind) or not fnmatch.fnmatchcase(key, self.key):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.met >= self.times:
            return False
        if self.share < 1.0 and self.random.random() >= self.share:
            return False
        self.met += 1
        return True


class Bucket:
    """What is known of one bucket: rules and requests."""

    def __init__(self):
        self.lock, self.rules, self.anonymous, self.era, self.waiting = threading.Lock(), [], False, 0, 0
        # Moto looks at a condition first and writes then; S3 does both at once.
        self.writing = threading.Lock()
        self.reset()

    def reset(self):
        self.requests = []

    def asked(self, kind, key, span, sent):
        """A request comes in: its record, and the harm that is to be done to it."""
        record = {"kind": kind, "key": key, "range": span, "status": None, "bytes": 0, "sent": sent, "harm": None, "at": time.time()}
        with self.lock:
            self.requests.append(record)
            rule = next((rule for rule in self.rules if rule.meets(kind, key)), None)
        do = rule.do if rule else {}
        record["harm"] = next(iter(do), None)
        return record, do

    def counts(self):
        with self.lock:
            records = [dict(record) for record in self.requests]
            told = {"waiting": self.waiting, "met": [rule.met for rule in self.rules]}
        for kind in ("list", "head", "get", "put", "post", "delete"):
            told[kind + "s"] = sum(record["kind"] == kind for record in records)
        told["bytes"] = sum(record["bytes"] for record in records)
        told["sent"] = sum(record["sent"] for record in records if record["kind"] == "put")
        told["harmed"] = sum(record["harm"] is not None for record in records)
        told["statuses"], told["objects"] = {}, {}
        for record in records:
            status = str(record["status"])
            told["statuses"][status] = told["statuses"].get(status, 0) + 1
            if record["kind"] == "get":
                of = told["objects"].setdefault(record["key"], {"gets": 0, "bytes": 0})
                of["gets"] += 1
                of["bytes"] += record["bytes"]
        return told


class HangUp(Exception):
    """The connection is to be closed, or reset."""


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store = None
    buckets, making = {}, threading.Lock()

    def log_message(self, *_):
        pass

    @classmethod
    def bucket(cls, name):
        with cls.making:
            return cls.buckets.setdefault(name, Bucket())

    def handle(self):
        try:
            super().handle()
        except HangUp as how:
            if how.args[0]:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()
        except (ConnectionError, TimeoutError):
            pass

    def any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            # Whoever sent it was killed. A store would wait for the rest.
            raise HangUp(False)
        parts = urllib.parse.unquote(self.path).split("/")
        if parts[1] == "_control":
            return self.control(parts[2], parts[3], body)
        name, key = self.store.place(self.path)
        kind = self.store.kind(self.command, key, self.path)
        bucket = self.bucket(name)
        record, do = bucket.asked(kind, key, self.headers.get("Range"), len(body))
        refused = self.store.refused(self, bucket.anonymous)
        if refused:
            return self.error(record, 403, *refused)
        if "status" in do:
            return self.error(record, do["status"], *self.store.words.get(do["status"], ("Error", "An error.")))
        if "refuse" in do:
            raise HangUp(True)
        if "swap" in do:
            self.store.put(name, key, Path(do["swap"]).read_bytes())
        dropped = {name.lower() for name in do.get("drop", [])} | ({"range"} if "whole" in do else set())
        headers = [(name, value) for name, value in self.headers.items() if name.lower() not in dropped]
        if "Authorization" not in self.headers:
            # Behind the proxy nothing is anonymous: who may come in is decided here.
            headers.append(KNOWN)
        path = self.path + f"&{self.store.page}={do['page']}" if "page" in do else self.path
        if "hold" in do:
            self.wait(bucket, do["hold"])
        if self.command in ("GET", "HEAD"):
            status, answered, payload = self.store.ask(self.command, path, body, headers)
        else:
            with bucket.writing:
                status, answered, payload = self.store.ask(self.command, path, body, headers)
        if "lose" in do:
            record["status"] = status
            raise HangUp(True)
        self.answer(bucket, record, do, status, answered, payload)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = any

    def error(self, record, status, code, message):
        record["status"] = status
        self.plain(status, "application/xml", error_of(code, message))

    def plain(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 301:
            self.send_header("x-amz-bucket-region", "eu-north-7")
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def answer(self, bucket, record, do, status, headers, payload):
        record["status"] = status
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP and not (name.lower() == "content-length" and self.command != "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.flush()
        # Objects are counted, not what is said of them.
        counted = record if record["kind"] == "get" and status in (200, 206) else {"bytes": 0}
        place = next((int(n * len(payload)) if n < 1 else int(n) for n in (do.get("cut"), do.get("stall")) if n is not None), 0)
        place = min(place, max(len(payload) - 1, 0))
        if "cut" in do:
            self.send(counted, payload[:place])
            raise HangUp(do.get("reset", False))
        if "stall" in do:
            self.send(counted, payload[:place])
            self.wait(bucket, do.get("seconds", 3600))
            payload = payload[place:]
        self.send(counted, payload, do.get("dribble", CHUNK), do.get("pause", 0))

    def send(self, counted, payload, step=CHUNK, pause=0):
        for start in range(0, len(payload), step):
            piece = payload[start : start + step]
            # Before it is sent: who has received it all finds it counted.
            counted["bytes"] += len(piece)
            self.wfile.write(piece)
            if pause:
                time.sleep(pause)

    def wait(self, bucket, seconds):
        """Until the time is over, the rules change, or the client goes."""
        era, end = bucket.era, time.monotonic() + seconds
        with bucket.lock:
            bucket.waiting += 1
        try:
            while time.monotonic() < end and bucket.era == era:
                if select.select([self.connection], [], [], 0.01)[0] and not self.connection.recv(1, socket.MSG_PEEK):
                    raise ConnectionError("the client is gone")
        finally:
            with bucket.lock:
                bucket.waiting -= 1

    def control(self, name, verb, body):
        bucket, said = self.bucket(name), json.loads(body or b"null")
        try:
            told = getattr(self, "tell_" + verb)(name, bucket, said)
            self.plain(200, "application/json", json.dumps(told).encode())
        except Exception as error:  # the test is told what is wrong
            self.plain(400, "application/json", json.dumps({"error": repr(error)}).encode())

    def tell_upload(self, name, bucket, said):
        self.store.make(name)
        folder, sizes = Path(said["folder"]), {}
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            key = said.get("prefix", "") + str(path.relative_to(folder))
            self.store.put(name, key, path.read_bytes())
            sizes[key] = path.stat().st_size
        return sizes

    def tell_put(self, name, bucket, said):
        self.store.put(name, said["key"], Path(said["file"]).read_bytes())

    def tell_delete(self, name, bucket, said):
        self.store.delete(name, said["key"])

    def tell_download(self, name, bucket, said):
        sizes = {}
        for key in list(self.store.keys(name, said["prefix"])):
            payload = self.store.read(name, key)
            path = Path(said["folder"]) / key.removeprefix(said["prefix"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(payload)
            sizes[key] = len(payload)
        return sizes

    def tell_anonymous(self, name, bucket, said):
        bucket.anonymous = said["is"]

    def tell_rules(self, name, bucket, said):
        rules = [Rule(rule) for rule in said]
        with bucket.lock:
            bucket.rules, bucket.era = rules, bucket.era + 1

    def tell_reset(self, name, bucket, said):
        with bucket.lock:
            bucket.reset()

    def tell_counts(self, name, bucket, said):
        return bucket.counts()

    def tell_requests(self, name, bucket, said):
        with bucket.lock:
            return [dict(record) for record in bucket.requests]


class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 256


def main():
    Proxy.store = STORES[sys.argv[3] if len(sys.argv) > 3 else "s3"](*sys.argv[1:3])
    try:
        server = Server(("127.0.0.1", 0), Proxy)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.buffer.read()
    finally:
        Proxy.store.close()
        os._exit(0)


if __name__ == "__main__":
    main()
