"""Removes from the folder argv[1] what the whiteouts of the layer argv[2], a tar archive, are of."""
import os, shutil, sys, tarfile

os.chdir(sys.argv[1])


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


with tarfile.open(sys.argv[2], errors="surrogateescape", encoding="utf-8") as layer:
    for member in layer:
        folder, name = os.path.split(member.name)
        if name == ".wh..wh..opq":
            for inside in os.listdir(folder or "."):
                remove(os.path.join(folder, inside))
        elif name.startswith(".wh."):
            remove(os.path.join(folder, name[4:]))
