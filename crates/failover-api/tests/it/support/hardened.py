"""Runs a program as the Deployment does, and worse: as a user without a name, in a file system that cannot be written.

usage: unshare --mount hardened.py ROOT PLACE MATERIAL PASSWD PROGRAM [ARGUMENT...]

The program sees ROOT, with a copy of the folder MATERIAL at PLACE and the file PASSWD as /etc/passwd, all read-only, and
a /tmp in memory. Every step that fails ends this with an error: nothing is run in half of the setting.
"""
import ctypes
import os
import shutil
import subprocess
import sys

USER = 1000
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
STAGE = "/mnt"


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def prctl(*arguments):
    if ctypes.CDLL(None, use_errno=True).prctl(*arguments, *[0] * (5 - len(arguments))) != 0:
        raise OSError(ctypes.get_errno(), f"prctl{arguments}")


def make_read_only(path):
    """The mount there and every one below it, also those that others hide: by mount_setattr(2), since Linux 5.12."""
    number, here, recursive, read_only = 442, -100, 0x8000, 1
    attributes = (ctypes.c_uint64 * 4)(read_only, 0, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, here, path.encode(), recursive, ctypes.byref(attributes), 32) != 0:
        raise OSError(ctypes.get_errno(), f"mount_setattr {path}")


root, place, material, passwd, *command = sys.argv[1:]
mount("--make-rprivate", "/")
mount("--rbind", root, STAGE)
mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", STAGE + place)
shutil.copytree(material, STAGE + place, dirs_exist_ok=True)
for folder, _, files in os.walk(STAGE + place):
    os.chmod(folder, 0o755)
    for file in files:
        # As Kubernetes mounts a Secret: it belongs to root, and the pod's group may read it.
        os.chown(os.path.join(folder, file), 0, USER)
for name in ["/proc", "/dev"]:
    if root != "/":
        mount("--rbind", name, STAGE + name)
if passwd:
    mount("--bind", passwd, f"{STAGE}/etc/passwd")
make_read_only(STAGE)
mount("-t", "tmpfs", "-o", "mode=1777,size=96m,nosuid,nodev", "tmpfs", f"{STAGE}/tmp")
os.chroot(STAGE)
os.chdir("/")
with open("/proc/sys/kernel/cap_last_cap", encoding="utf-8") as last:
    for capability in range(int(last.read()) + 1):
        prctl(PR_CAPBSET_DROP, capability)
prctl(PR_SET_NO_NEW_PRIVS, 1)
os.setgroups([])
os.setgid(USER)
os.setuid(USER)
os.umask(0o022)
os.execv(command[0], command)
