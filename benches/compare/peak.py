"""Runs a command without output and prints its peak memory in KiB. A small process of its own, since a child's count begins
with that of the process that made it."""
import resource
import subprocess
import sys

subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
