"""Makes the tree that a JSON table on stdin describes under argv[1]; bytes are base64."""
import base64, json, os, socket, stat, sys

root = os.fsencode(sys.argv[1])
raw = base64.b64decode


def make(path, node):
    kind = node["type"]
    if kind == "directory":
        if path != root + b"/.":
            os.mkdir(path)
    elif kind == "file":
        with open(path, "xb") as file:
            for chunk in node["chunks"]:
                file.seek(chunk["offset"])
                file.write(raw(chunk["bytes"]))
            file.truncate(node["size"])
    elif kind == "symlink":
        os.symlink(raw(node["target"]), path)
    elif kind == "hardlink":
        os.link(root + b"/" + raw(node["target"]), path, follow_symlinks=False)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        back = os.open(".", os.O_RDONLY)
        os.chdir(os.path.dirname(path))
        socket.socket(socket.AF_UNIX).bind(os.path.basename(path))
        os.fchdir(back)
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(node["major"], node["minor"]))


def finish(path, node):
    if node["type"] == "hardlink":
        return
    if "uid" in node:
        os.chown(path, node["uid"], node["gid"], follow_symlinks=False)
    for name, value in node.get("xattrs", {}).items():
        os.setxattr(path, name, raw(value), follow_symlinks=False)
    if node["type"] != "symlink":
        os.chmod(path, node["mode"])
    if "mtime" in node:
        mtime = int(node["mtime"])
        os.utime(path, ns=(mtime, mtime), follow_symlinks=False)


table = [(root + b"/" + raw(path), node) for path, node in json.load(sys.stdin)]
for path, node in table:
    make(path, node)
# Last made, first finished: a directory's time and mode come after what is in it.
for path, node in reversed(table):
    finish(path, node)
