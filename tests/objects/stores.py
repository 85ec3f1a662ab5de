"""The stores behind the proxy of `s3.py`, each with its words: Amazon's is moto; Azure's is Azurite, Microsoft's own emulator, with Microsoft's own client.

No package brings a server of Google's. `Google` is moto, put into the words of Google's XML API as its reference has them: generations in place of
ETags in conditions, bearers in place of signatures, and no deletion of many objects at once. What Google's servers do besides is not shown by it.
"""

import ctypes
import hashlib
import hmac
import http.client
import itertools
import logging
import os
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path
from xml.etree import ElementTree

# Moto asks for the form of it, and for no more.
KNOWN = ("Authorization", "AWS4-HMAC-SHA256 Credential=proxy/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")
MOVED = ("PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.")


def error_of(code, message):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()


def queried(target):
    return urllib.parse.parse_qs(target.partition("?")[2], keep_blank_values=True)


def signature(secret, method, target, headers, words):
    """What AWS Signature Version 4 makes of this request."""
    path, _, query = target.partition("?")
    quote = lambda text: urllib.parse.quote(text, safe="-_.~")
    pairs = sorted((quote(k), quote(v)) for k, v in urllib.parse.parse_qsl(query, keep_blank_values=True))
    signed = words["SignedHeaders"].split(";")
    canonical = "\n".join(
        [method, urllib.parse.quote(urllib.parse.unquote(path), safe="/-_.~"), "&".join(f"{k}={v}" for k, v in pairs)]
        + [f"{name}:{' '.join(','.join(headers.get_all(name, [])).split())}" for name in signed]
        + ["", words["SignedHeaders"], headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]
    )
    _, day, region, service, last = words["Credential"].split("/")
    text = "\n".join(
        ["AWS4-HMAC-SHA256", headers.get("x-amz-date", ""), f"{day}/{region}/{service}/{last}"]
        + [hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = ("AWS4" + secret).encode()
    for part in (day, region, service, last):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Store:
    """A server that is asked by HTTP, at `self.address`."""

    def ask(self, method, target, body=b"", headers=None):
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        try:
            connection.putrequest(method, target, skip_host=headers is not None, skip_accept_encoding=True)
            for name, value in headers or [("Content-Length", str(len(body))), KNOWN]:
                connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def place(self, target):
        """The bucket and the key of a request."""
        parts = urllib.parse.unquote(target.partition("?")[0]).split("/", 2)
        return parts[1], parts[2] if len(parts) > 2 else ""

    def kind(self, method, key, target):
        kind = {"GET": "get" if key else "list"}.get(method, method.lower())
        return "delete" if kind == "post" and "delete" in queried(target) else kind

    def close(self):
        pass


class Amazon(Store):
    words = {
        301: MOVED,
        400: ("ExpiredToken", "The provided token has expired."),
        403: ("AccessDenied", "Access Denied"),
        404: ("NoSuchKey", "The specified key does not exist."),
        500: ("InternalError", "We encountered an internal error. Please try again."),
        503: ("SlowDown", "Please reduce your request rate."),
    }
    page = "max-keys"

    def __init__(self, key_id, secret):
        from moto.server import ThreadedMotoServer

        self.key_id, self.secret = key_id, secret
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        self.address = server.get_host_and_port()

    def refused(self, request, anonymous):
        """Why a request is not let in, as S3 says it."""
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        if not rest and anonymous:
            return None
        if scheme != "AWS4-HMAC-SHA256":
            return "AccessDenied", "Access Denied"
        words = dict(word.strip().split("=", 1) for word in rest.split(","))
        if words["Credential"].split("/")[0] != self.key_id:
            return "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
        if signature(self.secret, request.command, request.path, request.headers, words) != words["Signature"]:
            return "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."
        return None

    def must(self, method, path, body=b""):
        status, _, said = self.ask(method, urllib.parse.quote(path), body)
        if status >= 300:
            raise ValueError(f"{method} {path}: {status} {said[:300]!r}")

    def make(self, bucket):
        self.must("PUT", f"/{bucket}")

    def put(self, bucket, key, body):
        self.must("PUT", f"/{bucket}/{key}", body)

    def delete(self, bucket, key):
        self.must("DELETE", f"/{bucket}/{key}")

    def keys(self, bucket, prefix):
        after = ""
        while True:
            query = urllib.parse.urlencode({"list-type": 2, "prefix": prefix, "start-after": after})
            _, _, listed = self.ask("GET", f"/{bucket}?{query}")
            keys = [key.text for key in ElementTree.fromstring(listed).iter() if key.tag.endswith("}Key")]
            yield from keys
            if not keys:
                return
            after = keys[-1]

    def read(self, bucket, key):
        return self.ask("GET", urllib.parse.quote(f"/{bucket}/{key}"))[2]


class Google(Amazon):
    """The secret is the bearer that a request must have. How a client comes by one is not shown."""

    CONDITION = "x-goog-if-generation-match"
    NOT_OURS = ("if-match", "if-none-match")

    def __init__(self, key_id, secret):
        super().__init__(key_id, secret)
        self.numbers, self.generations, self.lock = itertools.count(1_767_225_600_000_000), {}, threading.Lock()

    def refused(self, request, anonymous):
        said = request.headers.get("Authorization")
        if said != f"Bearer {self.secret}" and not (said is None and anonymous):
            return "AccessDenied", "Access denied."
        # A range of one version of an object is asked for by its ETag, as in HTTP. A write is not: Google goes by generations there.
        amazons = [name for name in request.headers if name.lower().startswith("x-amz") or name.lower() in self.NOT_OURS]
        if amazons and request.command not in ("GET", "HEAD"):
            return "InvalidArgument", f"{amazons[0]} is no header of a write to Google."
        return None

    def kind(self, method, key, target):
        return {"GET": "get" if key else "list"}.get(method, method.lower())

    def ask(self, method, target, body=b"", headers=None):
        place, query = self.place(target), queried(target)
        # Google's clients quote more than moto reads.
        path, _, rest = target.partition("?")
        target = urllib.parse.quote(urllib.parse.unquote(path)) + (f"?{rest}" if rest else "")
        of_object = place[1] and "uploads" not in query and "partNumber" not in query
        headers = headers and [it for it in headers if it[0].lower() != "authorization"] + [KNOWN]
        condition = next((value for name, value in headers or [] if name.lower() == self.CONDITION), None)
        with self.lock:
            if condition is not None and int(condition) != self.generations.get(place, 0):
                return 412, [], error_of("PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
            status, answered, payload = super().ask(method, target, body, headers)
            if of_object and status < 300 and method in ("PUT", "POST"):
                self.generations[place] = next(self.numbers)
            if of_object and method == "DELETE" and "uploadId" not in query:
                status = 204 if self.generations.pop(place, None) else 404
            generation = self.generations.get(place)
        answered = [it for it in answered if not it[0].lower().startswith("x-amz")]
        return status, answered + ([("x-goog-generation", str(generation))] if of_object and generation else []), payload


class Azure(Store):
    """Azurite, which checks signatures itself, and lets nobody in without one."""

    words = {
        301: MOVED,
        400: ("AuthenticationFailed", "Server failed to authenticate the request."),
        403: ("AuthorizationFailure", "This request is not authorized to perform this operation."),
        404: ("BlobNotFound", "The specified blob does not exist."),
        500: ("InternalError", "The server encountered an internal error. Please retry the request."),
        503: ("ServerBusy", "The server is busy."),
    }
    page = "maxresults"

    def __init__(self, account, key):
        from azure.storage.blob import BlobServiceClient

        self.folder = tempfile.TemporaryDirectory()
        named = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--location", self.folder.name]
        # Versions of the API that are newer than the emulator are known to it in all that is asked here.
        flags = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        environment = {**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"}
        log = open(Path(self.folder.name) / "log", "w+")
        # It ends when this process does, whatever ends it.
        die = lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        self.process = subprocess.Popen(
            ["azurite-blob", *named, *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, preexec_fn=die
        )
        end = time.monotonic() + 60
        while not (said := [line for line in (Path(self.folder.name) / "log").read_text().splitlines() if "listens on" in line]):
            if self.process.poll() is not None or time.monotonic() > end:
                raise ValueError(f"Azurite does not listen: {(Path(self.folder.name) / 'log').read_text()}")
            time.sleep(0.05)
        said = said[0]
        self.address = ("127.0.0.1", int(said.strip().rsplit(":", 1)[1]))
        at = f"http://127.0.0.1:{self.address[1]}/{account}"
        self.client = BlobServiceClient(at, credential={"account_name": account, "account_key": key})

    def close(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def place(self, target):
        parts = urllib.parse.unquote(target.partition("?")[0]).split("/", 3)
        return parts[2] if len(parts) > 2 else "", parts[3] if len(parts) > 3 else ""

    def kind(self, method, key, target):
        kind = {"GET": "get" if key else "list"}.get(method, method.lower())
        return "delete" if kind == "post" and queried(target).get("comp") == ["batch"] else kind

    def refused(self, request, anonymous):
        return None

    def make(self, bucket):
        self.client.create_container(bucket)

    def put(self, bucket, key, body):
        self.client.get_blob_client(bucket, key).upload_blob(body, overwrite=True)

    def delete(self, bucket, key):
        self.client.get_blob_client(bucket, key).delete_blob()

    def keys(self, bucket, prefix):
        return (blob.name for blob in self.client.get_container_client(bucket).list_blobs(name_starts_with=prefix))

    def read(self, bucket, key):
        return self.client.get_blob_client(bucket, key).download_blob().readall()


STORES = {"s3": Amazon, "gs": Google, "az": Azure}
