"""Holds a session's answers against its OpenAPI file: openapi.py BASE TOKEN, with shards that have regions and edits.

The file is checked by openapi-spec-validator, every answer by jsonschema. What the file does not name, an answer may not have.
"""

import json
import sys
import time

import jsonschema
import openapi_spec_validator
import urllib.error
import urllib.request

BASE, TOKEN = sys.argv[1:]


def send(method, path, body=None, kind="application/json", token=TOKEN):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body is not None:
        headers["Content-Type"] = kind
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
    elif method == "POST":
        body = b""
        headers["Content-Type"] = kind
    request = urllib.request.Request(BASE + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers.get_content_type(), answer.read()


document = json.loads(send("GET", "/api/openapi.json")[2])
openapi_spec_validator.validate(document)


def closed(schema):
    """The same schema, which allows nothing besides what it names."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict):
        schema.setdefault("additionalProperties", False)
    return schema


components = closed(document["components"])
seen = set()


def fits(schema, value):
    whole = {**closed(schema), "components": components}
    jsonschema.Draft202012Validator(whole).validate(value)


def check(pattern, path, wanted, method="GET", **sent):
    """Sends a request, and holds the answer against what the file says of `pattern`."""
    status, kind, answer = send(method, path, **sent)
    assert status == wanted, f"{method} {path}: {status} and not {wanted}: {answer[:500]}"
    operation = document["paths"][pattern][method.lower()]
    described = operation["responses"].get(str(status))
    assert described, f"{method} {path}: {status} is not described"
    if "$ref" in described:
        described = document["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
    assert kind in described["content"], f"{method} {path}: {kind} is not described"
    seen.add((pattern, method.lower(), str(status)))
    if kind != "application/json":
        return answer
    value = json.loads(answer)
    fits(described["content"][kind]["schema"], value)
    sent_body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if sent_body and wanted < 300:
        fits(sent_body["schema"], sent["body"])
    return value


def rest():
    while send("GET", "/api/state")[2].find(b'"applying":null') < 0:
        time.sleep(0.02)


# Before anything is asked or published.
for path in ["/", "/healthz"]:
    check(path, path, 200, token=None)
page = check("/", "/", 200).decode()
check("/page/{file}", "/page/main.js", 200, token=None)
check("/page/{file}", "/page/none.js", 404)
for path in ["/metrics", "/api/openapi.json", "/api/state", "/api/plan", "/api/lanes"]:
    check(path, path, 200)
    if path.startswith("/api/") or path == "/metrics":
        check(path, path, 401, token="wrong")
undecided = check("/api/state", "/api/state", 200)
assert undecided["published"] is None and undecided["undecided"] > 0 and undecided["asks"]
check("/api/publish", "/api/publish", 409, "POST")
check("/api/stop", "/api/stop", 409, "POST")
check("/api/undo", "/api/undo", 409, "POST")
check("/api/redo", "/api/redo", 409, "POST")
check("/api/compare", "/api/compare?a=&b=now", 409)
share = check("/api/turn", "/api/turn", 200, "POST", body={"dials": {"sure": "top:50%"}, "gesture": "one"})
assert check("/api/plan", "/api/plan", 200)["open_shares"], "a share that is open is planned"
exact = check("/api/turn", "/api/turn", 200, "POST", body={"dials": {"sure": 0.3}})
assert [dial["value"] for dial in exact["dials"] if dial["name"] == "sure"] == [0.3], exact["dials"]
check("/api/undo", "/api/undo", 200, "POST")
check("/api/undo", "/api/undo", 200, "POST")
check("/api/redo", "/api/redo", 200, "POST")
check("/api/undo", "/api/undo", 200, "POST")

# Asked, stopped, asked, published.
assert check("/api/apply", "/api/apply", 202, "POST") is not None
check("/api/state", "/api/state", 200)
check("/api/apply", "/api/apply", 409, "POST")
check("/api/stop", "/api/stop", 202, "POST")
rest()
check("/api/apply", "/api/apply", 202, "POST")
rest()
check("/api/publish", "/api/publish", 200, "POST")
check("/api/turn", "/api/turn", 200, "POST", body={"dials": {"short_side": 14, "regions": "1"}})

# Rows of every sort, wherever they stand.
state = check("/api/state", "/api/state", 200)
assert state["published"] and state["leave"] > 0 and [pieces["of"] for pieces in state["pieces"]] == ["regions", "edits"]
sorts, verdicts = set(), set()
for dial in state["dials"]:
    name = urllib.request.quote(dial["name"])
    histogram = check("/api/histogram/{dial}", f"/api/histogram/{name}", 200)
    assert sum(histogram["buckets"]) + histogram["not_numbers"] == dial["reach"]
    cut = check("/api/cut", f"/api/cut?dial={name}&most=3", 200)
    for row in cut["above"] + cut["below"]:
        sorts.add(row["of"])
        story = check("/api/row/{id}", f"/api/row/{row['id']}", 200)
        verdicts |= {story["verdict"]["verdict"], story["picture"]["verdict"]}
        check("/api/drawing/{id}", f"/api/drawing/{row['id']}", 200)
assert sorts == {"pictures", "regions", "edits"}, sorts
everywhere = [f"0-{member}" for member in range(60)]
for id in everywhere:
    verdicts.add(check("/api/row/{id}", f"/api/row/{id}", 200)["verdict"]["verdict"])
assert verdicts == {"kept", "gated", "refused"} | (verdicts & {"undecided"}), verdicts
for side in ["enter", "leave"]:
    check("/api/changes", f"/api/changes?side={side}&most=5", 200)
for which in ["all", "kept", "gated", "refused", "undecided", "enter", "leave"]:
    check("/api/rows", f"/api/rows?which={which}", 200)
check("/api/rows", "/api/rows?which=gated&dial=short_side", 200)
check("/api/compare", "/api/compare?a=&b=short_side%3D9", 200)

# Labels.
labels = check("/api/labels", "/api/labels?dial=short_side&draw=12&seed=2", 200)
for at, row in enumerate(labels["next"]):
    check("/api/labels", "/api/labels", 200, "POST", body={"dial": "short_side", "row": row["id"], "good": at % 3 > 0})
check("/api/labels", "/api/labels", 200, "POST", body={"dial": "short_side", "row": labels["next"][0]["id"], "good": None})
assert check("/api/labels", "/api/labels?dial=short_side&draw=0&seed=2", 200)["labels"]
assert check("/api/row/{id}", f"/api/row/{labels['next'][1]['id']}", 200)["labels"]
assert check("/api/precision", "/api/precision?dial=short_side", 200)["thresholds"]
check("/api/loosest", "/api/loosest?dial=short_side&precision=0.1", 200)
check("/api/loosest", "/api/loosest?dial=short_side&precision=1&by=low", 409)
table = check("/api/labels.csv", "/api/labels.csv?dial=short_side", 200)
check("/api/labels.csv", "/api/labels.csv", 200, "POST", body=table, kind="text/csv")

# What cannot be meant.
for pattern, path in [
    ("/api/cut", "/api/cut?dial=none"),
    ("/api/histogram/{dial}", "/api/histogram/none"),
    ("/api/labels", "/api/labels?dial=none"),
    ("/api/labels.csv", "/api/labels.csv?dial=none"),
    ("/api/precision", "/api/precision?dial=none"),
    ("/api/loosest", "/api/loosest?dial=none&precision=0.5"),
    ("/api/rows", "/api/rows?dial=none"),
    ("/api/row/{id}", "/api/row/99-0"),
    ("/api/drawing/{id}", "/api/drawing/0-9999"),
    ("/api/image/{id}/{panel}", "/api/image/0-9999/0"),
]:
    check(pattern, path, 404)
for pattern, path in [
    ("/api/cut", "/api/cut"),
    ("/api/cut", "/api/cut?dial=sure&most=some"),
    ("/api/cut", "/api/cut?dial=sure&mots=3"),
    ("/api/changes", "/api/changes?side=both"),
    ("/api/compare", "/api/compare?a=now&b=none%3D3"),
    ("/api/labels", "/api/labels?dial=sure&draw=-1"),
    ("/api/precision", "/api/precision"),
    ("/api/loosest", "/api/loosest?dial=sure&precision=2"),
    ("/api/rows", "/api/rows?which=some"),
    ("/api/row/{id}", "/api/row/first"),
    ("/api/drawing/{id}", "/api/drawing/first"),
    ("/api/image/{id}/{panel}", "/api/image/first/0"),
]:
    check(pattern, path, 400)
for path, body in [("/api/turn", {"dials": {"none": 3}}), ("/api/turn", {"dails": {}}), ("/api/labels", {"dial": "sure"})]:
    check(path, path, 400, "POST", body=body)
check("/api/labels", "/api/labels", 404, "POST", body={"dial": "none", "row": "0-1", "good": True})
for path in ["/api/turn", "/api/labels", "/api/labels.csv"]:
    check(path, path, 415, "POST", body=b"what", kind="text/plain")
check("/api/labels.csv", "/api/labels.csv", 400, "POST", body=b"what\n1\n", kind="text/csv")
for path in ["/api/none", "/api/state/more", "/none"]:
    assert send("GET", path)[0] == 404, path

# Everything that goes well was seen, but for what needs a listener, or somebody who draws.
described = {
    (path, method, status)
    for path, operations in document["paths"].items()
    for method, operation in operations.items()
    for status in operation["responses"]
    if status < "300"
}
left_out = described - seen - {("/api/events", "get", "200"), ("/api/image/{id}/{panel}", "get", "200")}
assert not left_out, f"never seen: {sorted(left_out)}"
print(f"{len(seen)} kinds of answers")
