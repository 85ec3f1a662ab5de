"""What Python makes of a tar: prints one JSON object about it.

The pieces of the tar are named in order and read as one, as `cat` joins them. `files` is what `tarfile` lists of the file, `stream` what it
lists of a stream, `webdataset` what webdataset's reader gives; each as [name, bytes in hex]. Whatever is no plain file is an error.
"""

import io
import json
import sys
import tarfile

from webdataset.tariterators import group_by_keys, tar_file_iterator


def listed(tar):
    for member in tar:
        if member.type != tarfile.REGTYPE:
            raise SystemExit(f"{member.name!r} is of the type {member.type!r}")
        yield [member.name, tar.extractfile(member).read().hex()]


def main():
    joined = b"".join(open(piece, "rb").read() for piece in sys.argv[1:])
    said = {}
    with tarfile.open(fileobj=io.BytesIO(joined), mode="r:") as tar:
        said["files"] = list(listed(tar))
    with tarfile.open(fileobj=io.BytesIO(joined), mode="r|*") as tar:
        said["stream"] = list(listed(tar))
    files = list(tar_file_iterator(io.BytesIO(joined)))
    said["webdataset"] = [[file["fname"], file["data"].hex()] for file in files]
    samples = group_by_keys({**file, "__url__": "x"} for file in files)
    said["samples"] = [[sample["__key__"], sorted(name for name in sample if name[0] != "_")] for sample in samples]
    json.dump(said, sys.stdout)


main()
