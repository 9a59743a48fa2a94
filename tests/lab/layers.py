#!/usr/bin/env python3
"""Writes an OCI layout from busybox: layers.py DIRECTORY TAG COUNT. Layer N adds /layers/N; the
top one rewrites /top and hides /layers/0."""
import hashlib, io, json, os, sys, tarfile

place, tag, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
blobs = os.path.join(place, "blobs", "sha256")
os.makedirs(blobs, exist_ok=True)


def blob(data):
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(blobs, digest), "wb") as out:
        out.write(data)
    return "sha256:" + digest, len(data)


def add(tar, name, data=b"", kind=tarfile.REGTYPE, mode=0o644, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
    tar.addfile(info, io.BytesIO(data))


def layer(number):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        if number == 0:
            for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "layers"):
                add(tar, name, kind=tarfile.DIRTYPE, mode=0o755)
            with open("/bin/busybox", "rb") as program:
                add(tar, "bin/busybox", program.read(), mode=0o755)
            for applet in "sh cat id ls sleep true kill tail head grep ps wc env touch mount".split():
                add(tar, "bin/" + applet, kind=tarfile.SYMTYPE, link="busybox")
            add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nplayer:x:1000:1000::/:/bin/sh\n")
        add(tar, "layers/%d" % number, b"%d\n" % number)
        if number == count - 1:
            add(tar, "top", b"top\n")
            if number > 0:
                add(tar, "layers/.wh.0")
    return raw.getvalue()


layers = [blob(layer(n)) for n in range(count)]
config, config_size = blob(json.dumps({
    "architecture": "amd64", "os": "linux",
    "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
    "rootfs": {"type": "layers", "diff_ids": [digest for digest, _ in layers]},
}).encode())
kind = "application/vnd.oci.image."
manifest, manifest_size = blob(json.dumps({
    "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
    "config": {"mediaType": kind + "config.v1+json", "digest": config, "size": config_size},
    "layers": [{"mediaType": kind + "layer.v1.tar", "digest": d, "size": s} for d, s in layers],
}).encode())
with open(os.path.join(place, "index.json"), "w") as out:
    json.dump({"schemaVersion": 2, "manifests": [{
        "mediaType": kind + "manifest.v1+json", "digest": manifest, "size": manifest_size,
        "annotations": {"org.opencontainers.image.ref.name": tag}}]}, out)
with open(os.path.join(place, "oci-layout"), "w") as out:
    out.write('{"imageLayoutVersion": "1.0.0"}')
