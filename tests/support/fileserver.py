"""Serves one file over HTTP on 127.0.0.1, well or badly: fileserver.py FOLDER

FOLDER/data is the file, FOLDER/other what it is later, FOLDER/files/NAME one of that name; FOLDER/port gets the port,
FOLDER/log a line a request: its path, its Range and its Authorization. FOLDER/mode says how to answer, and may change between requests:

    good      ranges, and a strong ETag
    half      the same, but a request for all of it is cut after half
    dated     as half, with Last-Modified and a weak ETag
    bare      as half, with neither
    plain     no ranges
    piece     of a range no more than 1,000 bytes
    zero      a range as if it began at 0
    silent    as good, but never says how long the file is where a range is beyond its end
    sum       a redirection to the file with its size and checksum, as Hugging Face sends them
    badsum    the same with a checksum that is wrong
    page      an HTML page
    pointer   a pointer of Git LFS
    empty     nothing
    missing   404
    stall     as half, but the connection stays open and silent
    mute      headers, and then silence
    liar      as sum, but a range has the bytes from the beginning of the file
    away      a redirection to the file on another host, "localhost"
    gated     401 to whoever does not have the token "secret"

After " other" in the same file, it is the other file that is served, with other headers.
"""

import hashlib
import http.server
import os
import re
import sys


def content(name):
    with open(os.path.join(sys.argv[1], name), "rb") as f:
        return f.read()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, status, headers, body=b"", length=None, silent=False):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if silent:
            self.wfile.flush()
            self.connection.recv(1)  # until the other side has had enough

    def do_GET(self):
        mode, _, other = content("mode").decode().strip().partition(" ")
        with open(os.path.join(sys.argv[1], "log"), "a") as log:
            asked = [self.headers.get(name, "-") for name in ("Range", "Authorization")]
            log.write("%s %s %s\n" % (self.path, *asked))
        named = os.path.join("files", os.path.basename(self.path))
        if not os.path.isfile(os.path.join(sys.argv[1], named)):
            named = "data"
        data = content("other" if other else named)
        if mode in ("sum", "badsum", "liar") and self.path != "/moved":
            digest = "0" * 64 if mode == "badsum" else hashlib.sha256(data).hexdigest()
            self.answer(302, {"Location": "/moved", "X-Linked-Size": str(len(data)), "X-Linked-ETag": '"%s"' % digest})
        elif mode == "away" and self.path != "/moved":
            self.answer(302, {"Location": "http://localhost:%d/moved" % self.server.server_port})
        elif mode == "page":
            self.answer(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>log in</html>")
        elif mode == "pointer":
            self.answer(200, {}, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
        elif mode == "empty":
            self.answer(200, {})
        elif mode == "gated" and self.headers.get("Authorization") != "Bearer secret":
            self.answer(401, {}, b"who is there?")
        elif mode == "missing":
            self.answer(404, {}, b"not here")
        else:
            self.answer_range(mode, data, self.validators(mode, data, other))

    def validators(self, mode, data, other):
        if mode == "bare":
            return {}
        if mode == "dated":
            return {"ETag": 'W/"1"', "Last-Modified": "Mon, 0%d Jan 2024 00:00:00 GMT" % (8 if other else 1)}
        return {"ETag": '"%s"' % hashlib.md5(data).hexdigest()}

    def answer_range(self, mode, data, headers):
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if mode == "plain" or (condition and condition not in (headers.get("ETag"), headers.get("Last-Modified"))):
            wanted = None
        if not wanted:
            come = {"half": 2, "dated": 2, "bare": 2, "stall": 2, "mute": len(data) + 1}.get(mode, 1)
            self.answer(200, headers, data[: len(data) // come], len(data), mode in ("stall", "mute"))
            return
        start = int(wanted.group(1))
        if start >= len(data):
            self.answer(416, {} if mode == "silent" else {"Content-Range": "bytes */%d" % len(data)}, b"no such range")
            return
        end = min(len(data), start + 1000) if mode == "piece" else len(data)
        headers["Content-Range"] = "bytes %d-%d/%d" % (0 if mode == "zero" else start, end - 1, len(data))
        self.answer(206, headers, data[: end - start] if mode == "liar" else data[start:end])


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
port = os.path.join(sys.argv[1], "port")
with open(port + ".new", "w") as out:
    out.write(str(server.server_port))
os.rename(port + ".new", port)
server.serve_forever()
