"""A sandbox for a process that reads untrusted bytes: it may compute, and use the descriptors that are open already.

Resource limits apply on all systems except Windows: CPU seconds, memory, no writes to files, no new descriptors (so neither files nor
sockets). On Linux (kernel 3.17) a seccomp filter also refuses all system calls except those below.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
import sys

NO_NEW_PRIVILEGES, SECCOMP, FILTER, DIE_WITH_PARENT = 38, 22, 2, 1  # linux/prctl.h, linux/seccomp.h
ALLOW, REFUSE = 0x7FFF_0000, 0x0005_0001  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with EPERM
LOAD, IS, AT_LEAST, GIVE = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h: load a word; jump if equal, if greater or equal; return
NUMBER, ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
X32 = 0x4000_0000  # system calls of the x32 table of x86-64 kernels
# Allowed: read write close fstat lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn sched_yield mremap madvise getpid
# sendto recvfrom shutdown exit exit_group futex clock_gettime clock_nanosleep gettimeofday getrandom gettid sigaltstack getrusage.
CALLS = {
    "x86_64": (
        0xC000_003E,
        (0, 1, 3, 5, 8, 9, 11, 10, 12, 13, 14, 15, 24, 25, 28, 39, 44, 45, 48, 60, 231, 202, 228, 230, 96, 318, 186, 131, 98),
    ),
    "aarch64": (
        0xC000_00B7,
        (63, 64, 57, 80, 62, 222, 226, 215, 214, 134, 135, 139, 124, 216, 233, 172, 206, 207, 210, 93, 94, 98, 113, 115, 169, 278, 178,
         132, 165),
    ),
}  # fmt: skip


# Refused by `confine`: socket connect bind listen accept accept4 execve execveat ptrace process_vm_readv process_vm_writev mount unshare
# setns bpf userfaultfd io_uring_setup open_by_handle_at perf_event_open.
OUTSIDE = {
    "x86_64": (0xC000_003E, (41, 42, 49, 50, 43, 288, 59, 322, 101, 310, 311, 165, 272, 308, 321, 323, 425, 304, 298)),
    "aarch64": (0xC000_00B7, (198, 203, 200, 201, 202, 242, 221, 281, 117, 270, 271, 40, 97, 268, 280, 282, 425, 265, 241)),
}


def confine() -> None:
    """On Linux, for a process that must write files while it decodes a stranger's film: no network and no other programs, for good."""
    known = OUTSIDE.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 2**32 else None
    if known is None:
        return
    architecture, calls = known
    steps = [(LOAD, 0, 0, ARCHITECTURE), (IS, 1, 0, architecture), (GIVE, 0, 0, REFUSE)]
    steps += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, X32), (GIVE, 0, 0, REFUSE)]
    steps += [(IS, len(calls) - place, 0, number) for place, number in enumerate(calls)]
    _install([*steps, (GIVE, 0, 0, ALLOW), (GIVE, 0, 0, REFUSE)])


def enter(seconds: int, num_bytes: int, wall: float) -> None:
    """Enter the sandbox for good: at most `seconds` of CPU time, `wall` seconds of time and `num_bytes` of memory; no new descriptors."""
    try:
        import resource
    except ImportError:  # Windows has only the server's timeout
        return
    signal.setitimer(signal.ITIMER_REAL, wall)  # its signal is not caught, so it ends the process
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (num_bytes, num_bytes))
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NOFILE):
        resource.setrlimit(kind, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    if sys.platform == "linux":
        _filter_calls()


def die_with_parent() -> None:
    """On Linux: have the kernel kill this process when its parent ends."""
    if sys.platform == "linux":
        _prctl(DIE_WITH_PARENT, signal.SIGKILL)


def _filter_calls() -> None:
    """Install the seccomp filter. Without support for it, only the resource limits apply."""
    known = CALLS.get(os.uname().machine)
    if known is None or sys.maxsize < 2**32:
        return
    architecture, calls = known
    steps = [(LOAD, 0, 0, ARCHITECTURE), (IS, 1, 0, architecture), (GIVE, 0, 0, REFUSE)]
    steps += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, X32), (GIVE, 0, 0, REFUSE)]
    steps += [(IS, len(calls) - place, 0, number) for place, number in enumerate(calls)]
    _install([*steps, (GIVE, 0, 0, REFUSE), (GIVE, 0, 0, ALLOW)])


def _install(steps: list[tuple[int, int, int, int]]) -> None:
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(program)))
    if _prctl(NO_NEW_PRIVILEGES, 1) == 0:
        _prctl(SECCOMP, FILTER, ctypes.addressof(header))


def _prctl(what: int, *values: int) -> int:
    longs = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0)[:4]]
    return int(ctypes.CDLL(None).prctl(what, *longs))
