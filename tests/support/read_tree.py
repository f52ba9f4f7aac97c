"""Prints the tree under argv[1] as JSON, an entry a path, in the order of the paths' bytes."""
import hashlib, json, os, stat, sys

root = os.fsencode(sys.argv[1])
KINDS = {
    stat.S_IFDIR: "directory",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}
first_names = {}


def text(name):
    return name.decode("utf-8", "backslashreplace")


def data_ranges(path, size):
    ranges = []
    with open(path, "rb") as file:
        at = 0
        while at < size:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            ranges.append([start, at])
    return ranges


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path, shown):
    info = os.lstat(path)
    kind = KINDS[stat.S_IFMT(info.st_mode)]
    entry = {
        "path": shown,
        "type": kind,
        "mode": "%04o" % stat.S_IMODE(info.st_mode),
        "uid": info.st_uid,
        "gid": info.st_gid,
        "mtime": str(info.st_mtime_ns),
    }
    if kind == "file":
        entry["size"] = info.st_size
        entry["sha256"] = sha256(path)
        entry["data"] = data_ranges(path, info.st_size)
    if kind == "symlink":
        entry["target"] = text(os.readlink(path))
    if kind == "device":
        entry["device"] = [os.major(info.st_rdev), os.minor(info.st_rdev)]
    if kind != "directory" and info.st_nlink > 1:
        entry["sameAs"] = first_names.setdefault((info.st_dev, info.st_ino), shown)
    xattrs = {
        name: os.getxattr(path, name, follow_symlinks=False).hex()
        for name in sorted(os.listxattr(path, follow_symlinks=False))
    }
    if xattrs:
        entry["xattrs"] = xattrs
    return entry


paths = []
pending = [b"."]
while pending:
    at = pending.pop()
    paths.append(at)
    if stat.S_ISDIR(os.lstat(root + b"/" + at).st_mode):
        for name in os.listdir(root + b"/" + at):
            pending.append(name if at == b"." else at + b"/" + name)
paths.sort()
json.dump([read(root + b"/" + path, text(path)) for path in paths], sys.stdout)
