"""The part of the Hugging Face hub that takes a model, on 127.0.0.1: repositories, large files, commits.

It answers as huggingface_hub asks: create, tree, preupload, validate-yaml, LFS batch and PUT, verify, commit. Source of
the requests: huggingface_hub's own code (hf_api.py, _commit_api.py, lfs.py).
"""

import base64
import hashlib
import json

from tests.local_server import LocalServer

TOKEN = "hf_" + "x" * 34
SHA = "0123456789abcdef0123456789abcdef01234567"


class HubThatTakes(LocalServer):
    """Keeps what is committed.

    repositories  by name: {"private": …, "files": {path: bytes}, "commits": [header]}
    refuse        by the last word of a request's path: the HTTP status and message that it is answered with
    """

    def __init__(self):
        self.repositories, self.refuse, self.asked, self.headers = {}, {}, [], []
        self._large = {}
        self.begin()

    def _answer(self, request) -> None:
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        path = request.path.split("?")[0]
        self.asked.append((request.command, path))
        self.headers.append(request.headers.get("Authorization"))
        kind = next((word for word in ("create", "preupload", "batch", "commit", "lfs", "verify") if word in path), "")
        if kind in self.refuse:
            status, message = self.refuse[kind]
            self._send(request, status, {"error": message})
        elif request.command != "PUT" and self.headers[-1] != f"Bearer {TOKEN}":
            self._send(request, 401, {"error": "Invalid username or password."})
        else:
            self._send(request, *self._answers(request.command, path, body))

    def _answers(self, method: str, path: str, body: bytes):
        if method == "PUT":
            self._large[path.rpartition("/")[2]] = body
            return 200, {}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path in ("/api/validate-yaml", "/verify"):
            return 200, {"errors": [], "warnings": []}
        if path.endswith(".git/info/lfs/objects/batch"):
            return 200, {"transfer": "basic", "objects": [self._place(one) for one in json.loads(body)["objects"]]}
        name = "/".join(path.split("/")[3:5])
        repository = self.repositories.get(name)
        if repository is None:
            return 404, {"error": "Repository not found"}
        if "/preupload/" in path:
            files = json.loads(body)["files"]
            return 200, {"files": [
                {"path": one["path"], "shouldIgnore": False,
                 "uploadMode": "lfs" if one["path"].endswith((".safetensors", ".jpg")) else "regular"}
                for one in files
            ]}  # fmt: skip
        if "/commit/" in path:
            return self._commit(name, [json.loads(line) for line in body.splitlines()])
        if "/tree/" in path:
            return 200, [
                {"type": "file", "path": p, "size": len(c), "oid": "0"} for p, c in repository["files"].items()
            ]
        return 200, {"id": name, "sha": SHA, "private": repository["private"],
                     "siblings": [{"rfilename": file} for file in repository["files"]]}  # fmt: skip

    def _create(self, wish: dict):
        name = f"{wish['organization']}/{wish['name']}"
        if name in self.repositories:
            return 409, {"error": "You already created this model repo", "url": f"{self.address}/{name}"}
        self.add(name, {".gitattributes": b"*.safetensors filter=lfs"}, wish.get("visibility") == "private")
        return 200, {"url": f"{self.address}/{name}", "name": name}

    def add(self, name: str, files: dict, private: bool = False) -> None:
        self.repositories[name] = {"private": private, "files": dict(files), "commits": []}

    def _place(self, wanted: dict) -> dict:
        upload, verify = {"href": f"{self.address}/lfs/{wanted['oid']}"}, {"href": f"{self.address}/verify"}
        return {"oid": wanted["oid"], "size": wanted["size"], "actions": {"upload": upload, "verify": verify}}

    def _commit(self, name: str, lines: list):
        files = self.repositories[name]["files"]
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.repositories[name]["commits"].append(value["summary"])
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                content = self._large[value["oid"]]
                assert hashlib.sha256(content).hexdigest() == value["oid"] and len(content) == value["size"]
                files[value["path"]] = content
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        return 200, {"commitUrl": f"{self.address}/{name}/commit/{SHA}", "commitOid": SHA, "hookOutput": ""}

    def _send(self, request, status: int, answer) -> None:
        content = json.dumps(answer).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
