"""The inner wall: what a forked kernel puts up round itself, before a notebook's first cell.

This file's text runs inside, beside student code that has not come yet; it imports nothing of the
grader.  Each wall is raised or the kernel does not start.  By itself none is enough: Landlock does
not know of chmod, namespaces share the processor and the memory, limits count one process each.

By hand, since no kept library has them: unshare(2), setns(2), mount(2), prctl(2) and capset(2).
"""

import contextlib
import ctypes
import errno
import functools
import os
import resource
import socket
import struct
import sys
import types

NEWNS, NEWUTS, NEWIPC = 0x20000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET, NEWCGROUP = 0x10000000, 0x20000000, 0x40000000, 0x2000000
NOSUID, NODEV, NOEXEC, BIND, REC, PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
PARENT_DEATH_SIGNAL, DUMPABLE, SECCOMP = 1, 4, 22  # of prctl(2)
CHILD_SUBREAPER, NO_NEW_PRIVS, AMBIENT = 36, 38, 47

FILES = 1024  # open ones, as Linux has it
MOST_PIDS = 400  # of a namespace of its own; the kernel takes none below 301
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

WALLS = ("namespaces", "uid", "limits", "capabilities", "landlock", "landlock-scopes", "seccomp")
# from which versions of its interface on Landlock can keep files from being cut short, and signals
# and abstract sockets within
TRUNCATE, SCOPES = 3, 6

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, *[ctypes.c_ulong] * 2)


def _checked(failed, what):
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags):
    _checked(_libc.unshare(flags), "unshare")


def setns(descriptor, kind):
    _checked(_libc.setns(descriptor, kind), "setns")


def mount(source, target, kind=None, flags=0, data=None):
    texts = (None if t is None else os.fsencode(t) for t in (source, target, kind))
    body = None if data is None else data.encode()
    _checked(_libc.mount(*texts, ctypes.c_ulong(flags), body), f"mount {target}")


def prctl(option, *arguments):
    _checked(_libc.prctl(option, *(*arguments, 0, 0, 0, 0)[:4]) < 0, f"prctl {option}")


@contextlib.contextmanager
def _by_their_names():
    """What is imported here finds C libraries by names that do not change: ctypes.util would look
    each up with a program of its own, and bring in more than all the rest of a trial."""
    names = ("ctypes.util", "landlockpy.testing")
    own = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update({name: types.ModuleType(name) for name in names})
    ctypes.util = sys.modules["ctypes.util"]
    ctypes.util.find_library = {"seccomp": "libseccomp.so.2"}.get
    try:
        yield
    finally:
        del ctypes.util, sys.modules["ctypes.util"], sys.modules["landlockpy.testing"]
        sys.modules.update(own)
        if "ctypes.util" in own:
            ctypes.util = own["ctypes.util"]


class Walls:
    """The walls of every kernel that this process will fork; what can be made once is made here.

    names   those of WALLS that are to stand
    alone   whether each kernel is in namespaces of its own; if not, seccomp also closes what only
            they would have closed
    read    folders and files that notebooks may read
    listed  folders whose names of files they may read, and those of folders below
    abi     the version of Landlock's interface, if not the newest that the kernel has

    Raises OSError if the kernel does not have one of them.
    """

    def __init__(self, names, read, alone, abi=None, listed=()):
        self.names, self.read, self.alone = frozenset(names), read, alone
        self.listed = listed
        with _by_their_names():
            self.filter = _program(_filter(alone)) if "seccomp" in self.names else None
            if self.names & {"landlock", "landlock-scopes"}:
                import landlockpy

                self.abi = landlockpy.abi_version() if abi is None else abi
                if not self.abi:
                    raise OSError(errno.ENOSYS, "this kernel has no Landlock")
                if "landlock-scopes" in self.names and self.abi < SCOPES:
                    raise OSError(errno.ENOSYS, "this kernel's Landlock knows of no signals")
                self.readable = self._readable()
                self.no_truncation = None
                if "landlock" in self.names and self.abi < TRUNCATE:
                    self.no_truncation = _program(_no_truncation())

    def up(self, run):
        """Raise them round this process, for good.

        run  uid, gid: whose the process becomes; folders: what it may write, by name, and `also`;
             covered: what is to be seen although it lies below one of these; memory_bytes,
             disk_bytes, most_files, processes, cpu_seconds: what it may use

        Raises OSError if one of them does not stand.
        """
        if "namespaces" in self.names:
            _own_world(run)
        if "limits" in self.names:
            _limits(run, self.alone)
        if "uid" in self.names and os.getuid() != run["uid"]:
            os.setgroups([])
            os.setresgid(run["gid"], run["gid"], run["gid"])
            os.setresuid(run["uid"], run["uid"], run["uid"])
        if "capabilities" in self.names:
            _drop_capabilities()
        os.chdir(run["folders"]["work"])
        if self.names & {"landlock", "landlock-scopes"}:
            self._landlock(run)
        if self.filter is not None:
            _load(self.filter)

    def _landlock(self, run):
        from landlockpy import AccessFS, AccessNet, Ruleset, Scope, fs_for_abi, net_for_abi

        files, sockets, scopes = AccessFS.NONE, AccessNet.NONE, Scope.NONE
        if "landlock" in self.names:
            files, sockets = fs_for_abi(self.abi), net_for_abi(self.abi)
        if "landlock-scopes" in self.names:
            scopes = Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL
        with Ruleset(handled_fs=files, handled_net=sockets, scoped=scopes) as rules:
            if files:
                for path, access in self.readable:
                    rules.allow_path(path, access)
                every = files & ~(AccessFS.MAKE_BLOCK | AccessFS.MAKE_CHAR)
                shared = ["/dev/shm"] if self.alone else []
                for path in (*run["folders"].values(), *shared):
                    rules.allow_path(path, every)
                for path in run["also"]:  # where a cold kernel's sockets are, on the machine's disk
                    rules.allow_path(path, every & ~_made_of_bytes(AccessFS))
            rules.restrict()
        if self.no_truncation is not None:
            _load(self.no_truncation)

    def _readable(self):
        """What may be read, and how: (path, rights)."""
        from landlockpy import AccessFS

        folder = AccessFS.READ_FILE | AccessFS.READ_DIR | AccessFS.EXECUTE
        file, device = folder & ~AccessFS.READ_DIR, AccessFS.READ_FILE | AccessFS.WRITE_FILE
        own = ["/proc"] if self.alone else ["/proc/self", "/proc/cpuinfo", "/proc/meminfo"]
        found = [(path, device) for path in DEVICES if os.path.exists(path)]
        for path in (*self.read, *own):
            if os.path.islink(path) and os.path.realpath(path).startswith("/usr/"):
                continue  # as /lib: named already
            if os.path.isdir(path):
                found.append((path, folder))
            elif os.path.isfile(path):
                found.append((path, file))
        # behind the outer wall all that is there is what it lets be seen
        found += [(path, AccessFS.READ_DIR) for path in (["/"] if self.alone else self.listed)]
        return found


def _made_of_bytes(access):
    """Rights by which a folder can be filled."""
    made = access.MAKE_REG | access.MAKE_DIR | access.MAKE_SYM | access.MAKE_FIFO
    return made | access.WRITE_FILE | access.TRUNCATE | access.REFER


def _own_world(run):
    """Mounts, sockets and names of its own; one tmpfs, of bounded size, holds all it may write.

    Its own process ids come from the fork: see zygote.py.
    """
    unshare(NEWNS | NEWIPC | NEWNET | NEWUTS)
    mount(None, "/", None, REC | PRIVATE)
    size = f"size={run['disk_bytes']},nr_inodes={run['most_files']},mode=0755"
    mount("scratch", "/scratch", "tmpfs", NOSUID | NODEV, size)
    places = {**run["folders"], "shm": "/dev/shm"}
    covered = []
    for name, place in places.items():
        own = f"/scratch/{name}"
        os.mkdir(own, 0o700)
        for path in run["covered"]:  # of Python, where this place lies above it
            if path.startswith(f"{place}/"):
                covered.append((path, os.open(path, os.O_PATH)))
                _make_like(path, own + path.removeprefix(place))
    for name, place in places.items():
        mount(f"/scratch/{name}", place, None, BIND)
    for path, descriptor in covered:
        mount(f"/proc/self/fd/{descriptor}", path, None, BIND | REC)
        os.close(descriptor)
    if os.getuid() != run["uid"]:
        for name in places:  # not before: its folders are then closed to root without its rights
            own = f"/scratch/{name}"
            within = [top for top, _, _ in os.walk(own, topdown=False)] if covered else [own]
            for top in within:
                os.chown(top, run["uid"], run["gid"])
    mount("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC)
    if not has_own_pids(os.uname().release):
        return  # then RLIMIT_NPROC is the only bound, as where it cannot be written
    with contextlib.suppress(OSError):
        pid_max = os.open("/proc/sys/kernel/pid_max", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(pid_max, str(MOST_PIDS).encode())
        finally:
            os.close(pid_max)


def has_own_pids(release):
    """Whether a namespace has a pid_max of its own, as from Linux 6.14 on; before that, it is the
    whole machine's, and root may write it from inside."""
    numbers = [int(part) if part.isdigit() else 0 for part in release.split(".")[:2]]
    return numbers >= [6, 14]


def _make_like(path, new):
    """An empty folder or file to mount `path` on."""
    if os.path.isdir(path):
        os.makedirs(new)
    else:
        os.makedirs(os.path.dirname(new), exist_ok=True)
        open(new, "x").close()


def _drop_capabilities():
    prctl(NO_NEW_PRIVS, 1)
    prctl(AMBIENT, 4)  # all of them are cleared
    version_3 = struct.pack("Ii", 0x20080522, 0)
    effective_permitted_inheritable = bytes(24)
    _checked(_libc.capset(version_3, effective_permitted_inheritable), "capset")
    prctl(DUMPABLE, 0)


def _held():
    """Bytes of address space, and bytes of data and stack, that this process has."""
    descriptor = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    pages = os.read(descriptor, 200).split()
    os.close(descriptor)
    return int(pages[0]) * resource.getpagesize(), int(pages[5]) * resource.getpagesize()


def _threads_of(uid):
    """How many threads a user has: RLIMIT_NPROC counts all of them, the TA's browser too."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == uid:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                pass
    return count


def _limits(run, alone):
    memory, (space, data) = run["memory_bytes"], _held()
    shared = 0 if alone and os.getuid() != run["uid"] else _threads_of(run["uid"])
    for what, most in (
        (resource.RLIMIT_DATA, data + memory),
        # address space is not memory: threads and mappings reserve far more than they use
        (resource.RLIMIT_AS, space + 2 * memory + 2**31),
        (resource.RLIMIT_CPU, run["cpu_seconds"]),
        (resource.RLIMIT_FSIZE, run["disk_bytes"]),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_NPROC, run["processes"] + shared),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = int(most) if hard == resource.RLIM_INFINITY else min(int(most), hard)
        resource.setrlimit(what, (bound, bound))
    os.nice(5)


# seccomp: the calls that no notebook needs -----------------------------------------------------

DENIED = """
ptrace vmsplice process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_getfd
mount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr
unshare setns bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register
add_key request_key keyctl kexec_load kexec_file_load init_module finit_module delete_module
open_by_handle_at name_to_handle_at quotactl acct swapon swapoff reboot syslog settimeofday
clock_settime clock_adjtime adjtimex memfd_create memfd_secret shmget shmat semget msgget mq_open
fanotify_init lookup_dcookie nfsservctl vhangup iopl ioperm personality migrate_pages move_pages
mbind set_mempolicy sethostname setdomainname shmctl shmdt semctl semop semtimedop msgctl msgsnd
msgrcv mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr open_tree_attr
landlock_create_ruleset landlock_add_rule landlock_restrict_self
""".split()
# Landlock has no say in these, and without a mount namespace they reach every file of the account:
# answered "done", so that honest copies and unzips go on
PRETENDED = """
chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat
setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr setxattrat removexattrat
file_setattr
""".split()
# FS_IOC_SETFLAGS as 64 and as 32 bits have it, FS_IOC_FSSETXATTR, FS_IOC_SETVERSION likewise: of a
# file that may only be read, too
FLAGS_SET = (0x40086602, 0x40046602, 0x401C5820, 0x40087602, 0x40047602)
# calls younger than many a libseccomp; these numbers are the same on every processor
YOUNG = {"fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "open_tree_attr": 467}
YOUNG |= {"file_setattr": 469, "landlock_create_ruleset": 444, "landlock_add_rule": 445}
YOUNG["landlock_restrict_self"] = 446


def _rule(made, action, name, *arguments):
    for known in (name, YOUNG.get(name)):
        try:
            made.add_rule(action, known, *arguments)
            break
        except (OSError, ValueError, RuntimeError, TypeError):
            pass  # no call of this kernel or processor, or too young for libseccomp


def _no_truncation():
    """For a Landlock that lets every file be cut short that the account may write: those calls in
    which no right to write is asked for, though it be a notebook's own file."""
    import pyseccomp as sc

    made = sc.SyscallFilter(sc.ALLOW)
    for name in ("truncate", "truncate64"):
        _rule(made, sc.ERRNO(errno.EACCES), name)
    mask = os.O_ACCMODE | os.O_TRUNC
    for mode in (os.O_RDONLY, os.O_ACCMODE):  # the second is for ioctl only, says open(2)
        for name, argument in (("open", 1), ("openat", 2)):
            flags = sc.Arg(argument, sc.MASKED_EQ, mask, mode | os.O_TRUNC)
            _rule(made, sc.ERRNO(errno.EACCES), name, flags)
    _rule(made, sc.ERRNO(errno.ENOSYS), "openat2")  # its flags cannot be looked at
    return made


def _filter(alone):
    import pyseccomp as sc

    made = sc.SyscallFilter(sc.ALLOW)
    rule = functools.partial(_rule, made)
    for name in DENIED:
        rule(sc.ERRNO(errno.EPERM), name)
    for flag in (NEWUSER, NEWNS, NEWPID, NEWNET, NEWIPC, NEWUTS, NEWCGROUP):
        rule(sc.ERRNO(errno.EPERM), "clone", sc.Arg(0, sc.MASKED_EQ, flag, flag))
    rule(sc.ERRNO(errno.ENOSYS), "clone3")  # its flags cannot be looked at; libc falls back
    rule(sc.ERRNO(errno.EAFNOSUPPORT), "socket", sc.Arg(0, sc.NE, 1))  # AF_UNIX only
    rule(sc.ERRNO(errno.EAFNOSUPPORT), "socketpair", sc.Arg(0, sc.NE, 1))
    # "done": what a socket holds is no process's memory, so there is only so much of it
    level, buffer = (
        sc.Arg(number, sc.MASKED_EQ, 0xFFFFFFFF, value)
        for number, value in ((1, socket.SOL_SOCKET), (2, socket.SO_SNDBUF))
    )
    rule(sc.ERRNO(0), "setsockopt", level, buffer)
    rule(sc.ERRNO(errno.EACCES), "fcntl", sc.Arg(1, sc.MASKED_EQ, 0xFFFFFFFF, 1024))  # F_SETLEASE
    # "done" too: nobody else is there to be kept out, and a file takes locks without end
    for number in (6, 7, 37, 38):  # F_SETLK, F_SETLKW, and those of open files
        rule(sc.ERRNO(0), "fcntl", sc.Arg(1, sc.MASKED_EQ, 0xFFFFFFFF, number))
    for number in (0x5412, 0x541C):  # TIOCSTI, TIOCLINUX: typing into a terminal
        rule(sc.ERRNO(errno.EPERM), "ioctl", sc.Arg(1, sc.MASKED_EQ, 0xFFFFFFFF, number))
    for name, argument in (("prlimit64", 0), ("setpriority", 1), ("ioprio_set", 1)):
        rule(sc.ERRNO(errno.EPERM), name, sc.Arg(argument, sc.NE, 0))  # of oneself only
    # nor of all processes of a user, who is 0 if it is one's own
    rule(sc.ERRNO(errno.EPERM), "setpriority", sc.Arg(0, sc.NE, 0))
    rule(sc.ERRNO(errno.EPERM), "ioprio_set", sc.Arg(0, sc.NE, 1))
    if not alone:
        # "done" too: zmq ends a process in which it may not do this for its own thread
        for name in ("scheduler", "param", "attr", "affinity"):
            rule(sc.ERRNO(0), f"sched_set{name}", sc.Arg(0, sc.NE, 0))
        # sendmsg would take such a socket to any path, and its address cannot be looked at
        for name in ("socket", "socketpair"):
            for kind in (2, 3):  # SOCK_DGRAM, and SOCK_RAW, which is the same here
                rule(sc.ERRNO(errno.EACCES), name, sc.Arg(1, sc.MASKED_EQ, 0xF, kind))
        for name in PRETENDED:
            rule(sc.ERRNO(0), name)
        for number in FLAGS_SET:
            rule(sc.ERRNO(0), "ioctl", sc.Arg(1, sc.MASKED_EQ, 0xFFFFFFFF, number))
        # no unix socket of the machine by its path: docker, dbus, an ssh agent
        for name in ("connect", "sendmmsg"):
            rule(sc.ERRNO(errno.EACCES), name)
        rule(sc.ERRNO(errno.EACCES), "sendto", sc.Arg(4, sc.NE, 0))
    return made


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def _program(made):
    """A filter as the kernel takes it: translated once, not in each fork."""
    descriptor = os.memfd_create("filter")
    with open(descriptor, "w+b") as file:
        made.export_bpf(file)
        file.seek(0)
        instructions = ctypes.create_string_buffer(file.read())
    size = 8  # of one instruction
    program = _Program(len(instructions) // size, ctypes.addressof(instructions))
    program.kept = instructions
    return program


def _load(program):
    """Put the filter in force for this process and all that it will start.

    Without capabilities it takes no_new_privs, with which none can be gained again.
    """
    prctl(NO_NEW_PRIVS, 1)
    prctl(SECCOMP, 2, ctypes.byref(program))  # by a filter


# are they there? -------------------------------------------------------------------------------


def probe(config):
    """What is wrong with each of the walls `config["walls"]`, and with all together (under "all"),
    "" where nothing is: tried in forks of this process.

    First all together, and all but the namespaces, behind which nothing else would be seen to hold;
    one by one only if that fails, to tell which.
    """
    names = tuple(config["walls"])
    without = tuple(name for name in names if name not in ("namespaces", "uid"))
    if not any(_in_a_fork(several, config) for several in dict.fromkeys((names, without))):
        return dict.fromkeys((*names, "all"), "")
    found = {name: _in_a_fork([name], config) for name in names if name != "uid"}
    standing = [name for name in names if not found.get(name)]
    found["all"] = _in_a_fork(standing, config)
    return found


def _in_a_fork(names, config):
    out, into = os.pipe()
    try:
        walls = Walls(names, config["read"], config["alone"], listed=config["listed"])
    except Exception as error:
        return _said(error)
    child = os.fork()
    if not child:
        try:
            if "namespaces" in names:
                unshare(NEWPID)
                if os.fork():
                    os.wait()
                    os._exit(0)
            own = {} if "uid" in names else {"uid": os.getuid(), "gid": os.getgid()}
            walls.up({**config["run"], **own})
            said = fault(names, config["outside"]) or "it holds"
        except BaseException as error:
            said = _said(error)
        os.write(into, said.encode())
        os._exit(0)
    os.close(into)
    with open(out, "rb") as file:
        said = file.read().decode("utf-8", "replace")
    os.waitpid(child, 0)
    return "" if said == "it holds" else said or "the process ended"


def _said(error):
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def fault(names, outside):
    """What is wrong with the walls round this process, "" if nothing is; tried, not guessed.

    outside  a file of the machine that its owner may read, and that must be out of reach

    Runs inside, after `Walls.up`; nothing of a student has run yet.
    """
    with open("/proc/self/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    if "capabilities" in names:
        if int(status["CapEff"], 16) or int(status["CapPrm"], 16):
            return f"CapEff is {status['CapEff']}"
        if status["NoNewPrivs"] != "1":
            return "new privileges can be gained"
    if "seccomp" in names:
        if status["Seccomp"] != "2":
            return "no filter is in force"
        if _works(_internet_socket):
            return "an internet socket can be made"
    if "landlock" in names:
        if _works(lambda: open(outside).close()):
            return "a file of the machine can be read"
        if _works(lambda: os.truncate(outside, os.stat(outside).st_size)):
            return "a file of the machine can be cut short"
    above = os.getppid()  # 0 for the first process of its own namespace
    if "landlock-scopes" in names and above and _works(lambda: os.kill(above, 0)):
        return "a process outside can be signalled"
    if "namespaces" in names:
        if os.getpid() != 1:
            return "the kernel is not the first process of its own"
        if _works(lambda: os.stat(outside)):
            return "a file of the machine is in sight"
    if "limits" in names and resource.getrlimit(resource.RLIMIT_CORE)[0]:
        return "a limit does not bind"
    return ""


def _internet_socket():
    socket.socket(socket.AF_INET).close()


def _works(attempt):
    try:
        attempt()
    except OSError:
        return False
    return True


if sys.platform != "linux":
    raise ImportError("there are no such walls on this system")
