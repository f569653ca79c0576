"""Locks and memory for several processes, where the system's own are out of reach.

This file's text runs inside.  Python and torch make both in /dev/shm, which belongs to the whole
machine: without mounts of its own, no kernel may write there.  In its place a semaphore is a
counter of the kernel's (eventfd), and memory is a file in the notebook's own folder for temporary
ones; workers have both from the fork that made them.  Only what Python calls a SharedMemory keeps
its name, and is counted among the files that a notebook writes.
"""

import os
import select
import tempfile
import threading
import time

RECURSIVE = 0


class Semaphore:
    """What _multiprocessing.SemLock does, for a process and its forks."""

    SEM_VALUE_MAX = 2**31 - 1
    name = None  # none that another program could open it by

    def __init__(self, kind, value, maxvalue, name, unlink):
        self.reentrant, self.maxvalue = kind == RECURSIVE, maxvalue
        self.handle = os.eventfd(value, os.EFD_SEMAPHORE | os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.held, self.holder = 0, None  # by this process, and by which of its threads

    def acquire(self, block=True, timeout=None):
        if self.reentrant and self._is_mine():
            self.held += 1
            return True
        ends = None if timeout is None else time.monotonic() + timeout
        while not self._taken():
            left = None if ends is None else ends - time.monotonic()
            if not block or (left is not None and left <= 0):
                return False
            self._wait(left)
        self.held, self.holder = self.held + 1, threading.get_ident()
        return True

    def _taken(self):
        try:
            return bool(os.eventfd_read(self.handle))
        except BlockingIOError:
            return False

    def _wait(self, seconds):
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        return poll.poll(None if seconds is None else 1000 * seconds)

    def release(self):
        if self.reentrant:
            if not self._is_mine():
                raise AssertionError("attempt to release recursive lock not owned by thread")
            if self.held > 1:
                self.held -= 1
                return
        elif self._get_value() >= self.maxvalue:
            raise ValueError("semaphore or lock released too many times")
        self.held -= 1
        os.eventfd_write(self.handle, 1)

    @property
    def kind(self):  # which Python asks for when it sends a lock to a process that is no fork
        raise RuntimeError("only forked processes can share locks here: use no other start method")

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *_):
        self.release()

    def __del__(self):
        os.close(self.handle)

    def _count(self):
        return self.held

    def _is_mine(self):
        return self.held > 0 and self.holder == threading.get_ident()

    def _is_zero(self):
        return not self._wait(0)

    def _get_value(self):
        try:
            with open(f"/proc/self/fdinfo/{self.handle}") as file:
                count = next(line for line in file if line.startswith("eventfd-count:"))
            return int(count.split()[1], 16)
        except OSError:  # a worker may not look at itself
            return int(not self._is_zero())

    def _after_fork(self):
        self.held = 0


def install():
    """Give Python's own modules what stands for the system's."""
    import _multiprocessing
    import _posixshmem
    from multiprocessing import heap

    _multiprocessing.SemLock = Semaphore
    heap.Arena._dir_candidates = []  # of the values and arrays that processes share
    place = tempfile.gettempdir()
    _posixshmem.shm_open = lambda path, flags, mode=0o777: os.open(place + path, flags, mode)
    _posixshmem.shm_unlink = lambda path: os.unlink(place + path)


def adapt(torch):
    """Tensors go to other processes as bytes; those that are shared with forks lie in a file."""
    from multiprocessing.reduction import ForkingPickler
    import torch.multiprocessing

    for kind in [k for k in ForkingPickler._extra_reducers if k.__module__.startswith("torch")]:
        del ForkingPickler._extra_reducers[kind]
    storage = torch.UntypedStorage
    storage._new_shared = classmethod(lambda cls, size, *, device="cpu": cls(size, device=device))

    def share_memory_(self):
        if self.is_shared():
            return self  # as other views of it have it
        shape = self.storage_offset(), self.size(), self.stride()
        with tempfile.NamedTemporaryFile() as file, torch.no_grad():
            own = self.untyped_storage()
            shared = storage.from_file(file.name, True, max(1, own.nbytes()))
            shared[: own.nbytes()].copy_(own) if own.nbytes() else None
            self.set_(shared, *shape)
        return self

    torch.Tensor.share_memory_ = share_memory_
