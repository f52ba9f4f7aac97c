"""Swaps pairs of names beneath argv[1] without pause until stdin ends, then prints how often.

It stays in the folder by its working directory, wherever that is moved.
"""
import ctypes, itertools, os, select, sys

libc = ctypes.CDLL(None)
AT_FDCWD, EXCHANGE = -100, 2
os.chdir(sys.argv[1])
pairs = [tuple(os.fsencode(name) for name in pair.split(":")) for pair in sys.argv[2:]]
print("ready", flush=True)
swaps = 0
for count, (a, b) in enumerate(itertools.cycle(pairs)):
    if libc.renameat2(AT_FDCWD, a, AT_FDCWD, b, EXCHANGE) == 0:
        swaps += 1
    if count % 1000 == 0 and select.select([sys.stdin], [], [], 0)[0]:
        break
print(swaps, flush=True)
