"""Shows that s3.py does what it says: signatures, counts, and each kind of harm. Ends with 0 and the word `good`."""

import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

KEY_ID, SECRET = "AKIAHARNESS", "of/the+harness"
BODY = bytes(n * 7 % 251 for n in range(300_000))


class Client:
    """One signed request after another, with nothing tried again."""

    def __init__(self, port, bucket="bucket"):
        self.port, self.bucket = port, bucket

    def control(self, verb, said=None, method="POST"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, f"/_control/{self.bucket}/{verb}", json.dumps(said))
        answer = connection.getresponse()
        told = json.loads(answer.read())
        assert answer.status == 200, told
        return told

    def counts(self):
        return self.control("counts", method="GET")

    def rules(self, *rules):
        self.control("rules", list(rules))
        self.control("reset", {})

    def get(self, key="k/1", method="GET", sign=True, timeout=5, **headers):
        path = f"/{self.bucket}/{key}"
        request = AWSRequest(method, f"http://127.0.0.1:{self.port}{path}", headers={k.replace("_", "-"): v for k, v in headers.items()})
        if sign:
            S3SigV4Auth(Credentials(KEY_ID, SECRET), "s3", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.request(method, path, headers=dict(request.headers))
        answer = connection.getresponse()
        return answer, answer.read()

    def received(self, **headers):
        """How much came, and how it ended."""
        try:
            return len(self.get(**headers)[1]), None
        except http.client.IncompleteRead as error:
            return len(error.partial), "cut"
        except (ConnectionError, TimeoutError, http.client.HTTPException) as error:
            return 0, type(error).__name__


def signatures(client, port):
    def s3(key_id=KEY_ID, secret=SECRET):
        return boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id=key_id,
            aws_secret_access_key=secret, config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        )  # fmt: skip

    def code(act):
        try:
            act()
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "none"

    good = s3()
    assert good.get_object(Bucket="bucket", Key="k/1")["Body"].read() == BODY
    assert good.get_object(Bucket="bucket", Key="odd/a b+c é=&.tar")["Body"].read() == b"odd"
    assert code(lambda: s3(secret="another").list_objects_v2(Bucket="bucket")) == "SignatureDoesNotMatch"
    assert code(lambda: s3(key_id="AKIANOBODY").list_objects_v2(Bucket="bucket")) == "InvalidAccessKeyId"
    assert client.get(sign=False)[0].status == 403
    client.control("anonymous", {"is": True})
    assert client.get(sign=False)[1] == BODY
    client.control("anonymous", {"is": False})
    assert code(lambda: good.list_objects_v2(Bucket="none")) == "NoSuchBucket"
    assert code(lambda: good.get_object(Bucket="bucket", Key="none")) == "NoSuchKey"
    # Pages, folders, and entity tags.
    keys, page = [], {}
    while True:
        listed = good.list_objects_v2(Bucket="bucket", Prefix="many/", MaxKeys=4, **page)
        keys += [(it["Key"], it["Size"], it["ETag"]) for it in listed["Contents"]]
        if not listed["IsTruncated"]:
            break
        page = {"ContinuationToken": listed["NextContinuationToken"]}
    assert [key for key, _, _ in keys] == [f"many/{n:02}" for n in range(10)], keys
    folders = good.list_objects_v2(Bucket="bucket", Delimiter="/")["CommonPrefixes"]
    assert [folder["Prefix"] for folder in folders] == ["k/", "many/", "odd/"]
    head = good.head_object(Bucket="bucket", Key=keys[0][0])
    assert (head["ETag"], head["ContentLength"]) == (keys[0][2], keys[0][1])
    # Pages as the server cuts them.
    client.rules({"on": "list", "do": {"page": 5}})
    pages = good.get_paginator("list_objects_v2").paginate(Bucket="bucket")
    assert [page["KeyCount"] for page in pages] == [5, 5, 2] and client.counts()["lists"] == 3


def ranges(client):
    answer, body = client.get(Range="bytes=100-199")
    assert (answer.status, body) == (206, BODY[100:200]) and answer.getheader("Content-Range") == "bytes 100-199/300000"
    tag = answer.getheader("ETag")
    assert client.get(Range="bytes=299990-")[1] == BODY[-10:] and client.get(Range="bytes=-10")[1] == BODY[-10:]
    assert client.get(Range="bytes=300000-300009")[0].status == 416
    assert client.get(Range="bytes=0-9", If_Match=tag)[0].status == 206
    assert client.get(Range="bytes=0-9", If_Match='"0123"')[0].status == 412
    assert client.get(method="HEAD", If_Match='"0123"')[0].status == 412
    assert client.get(If_None_Match=tag)[0].status == 304
    return tag


def counted(client):
    client.rules()
    client.get(), client.get(Range="bytes=0-99"), client.get(method="HEAD"), client.get(key="none")
    counts = client.counts()
    assert (counts["gets"], counts["heads"], counts["lists"]) == (3, 1, 0), counts
    assert counts["bytes"] == 300_100 and counts["objects"]["k/1"] == {"gets": 2, "bytes": 300_100}, counts
    assert counts["statuses"] == {"200": 2, "206": 1, "404": 1}, counts
    asked = client.control("requests", method="GET")
    assert [(it["kind"], it["range"]) for it in asked] == [("get", None), ("get", "bytes=0-99"), ("head", None), ("get", None)]


def harm(client, tag, folder):
    whole = (len(BODY), None)
    for status, code in ((503, b"SlowDown"), (500, b"InternalError"), (403, b"AccessDenied"), (404, b"NoSuchKey")):
        client.rules({"times": 2, "skip": 1, "do": {"status": status}})
        said = [client.get() for _ in range(4)]
        assert [answer.status for answer, _ in said] == [200, status, status, 200]
        assert code in said[1][1] and client.counts()["harmed"] == 2 and client.counts()["bytes"] == 2 * len(BODY)
    client.rules({"on": "list", "do": {"status": 503}})
    assert client.get(key="")[0].status == 503 and client.received() == whole
    client.rules({"key": "many/*", "do": {"status": 503}})
    assert client.get(key="many/03")[0].status == 503 and client.received() == whole

    def by_share(seed):
        client.rules({"share": 0.3, "seed": seed, "do": {"status": 503}})
        return [client.get(key="many/01")[0].status for _ in range(40)]

    first = by_share(5)
    assert first == by_share(5) and first != by_share(6) and 3 < first.count(503) < 25, first

    client.rules({"times": 1, "do": {"cut": 70_000}}, {"times": 1, "skip": 1, "do": {"cut": 0.5, "reset": True}})
    assert client.received() == (70_000, "cut") and client.counts()["bytes"] == 70_000
    assert client.received() == whole
    short, how = client.received()
    assert short <= 150_000 and how in ("cut", "ConnectionResetError"), (short, how)
    assert client.received() == whole
    client.rules({"times": 1, "do": {"refuse": True}})
    assert client.received()[1] in ("ConnectionResetError", "RemoteDisconnected") and client.received() == whole

    client.rules({"times": 1, "do": {"stall": 1000, "seconds": 0.4}})
    begin = time.monotonic()
    assert client.received() == whole and 0.4 < time.monotonic() - begin < 3
    client.rules({"times": 1, "do": {"stall": 1000}})
    assert client.received(timeout=0.3) == (0, "TimeoutError")
    client.rules({"times": 1, "do": {"stall": 0.5}})
    waits = []
    waiter = threading.Thread(target=lambda: waits.append(client.received(timeout=20)))
    waiter.start()
    while client.counts()["waiting"] == 0:
        time.sleep(0.01)
    client.control("rules", [])
    waiter.join()
    assert waits == [whole] and client.counts()["waiting"] == 0
    client.rules({"times": 1, "do": {"dribble": 60_000, "pause": 0.05}})
    begin = time.monotonic()
    assert client.received() == whole and 0.2 < time.monotonic() - begin < 3

    client.rules({"do": {"whole": True}})
    assert client.get(Range="bytes=0-9")[0].status == 200
    client.rules({"do": {"drop": ["if-match"]}})
    assert client.get(Range="bytes=0-9", If_Match='"0123"')[0].status == 206
    other = folder / "other"
    other.write_bytes(BODY[::-1])
    client.rules({"skip": 1, "times": 1, "do": {"swap": str(other)}})
    assert client.get(Range="bytes=0-9", If_Match=tag)[1] == BODY[:10]
    assert client.get(Range="bytes=10-19", If_Match=tag)[0].status == 412
    assert client.get(Range="bytes=10-19")[1] == BODY[::-1][10:20]
    client.control("delete", {"key": "k/1"})
    assert client.get()[0].status == 404


def main():
    begin = time.monotonic()
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("s3.py")), KEY_ID, SECRET], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    port = int(server.stdout.readline())
    print(f"starts in {time.monotonic() - begin:.2f} s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("tree/k", "tree/many", "tree/odd"):
            (folder / part).mkdir(parents=True)
        (folder / "tree/k/1").write_bytes(BODY)
        (folder / "tree/odd/a b+c é=&.tar").write_bytes(b"odd")
        [(folder / f"tree/many/{n:02}").write_bytes(b"x" * (n + 1)) for n in range(10)]
        client = Client(port)
        sizes = client.control("upload", {"folder": str(folder / "tree")})
        assert len(sizes) == 12 and sizes["k/1"] == len(BODY), sizes
        signatures(client, port)
        tag = ranges(client)
        counted(client)
        harm(client, tag, folder)
    server.stdin.close()
    assert server.wait(5) == 0
    print(f"good, {time.monotonic() - begin:.2f} s")


main()
