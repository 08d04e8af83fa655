import { getSystemErrorMap } from "node:util";
import koffi from "koffi";
import { EqlError, type EqlErrorCode, type EqlErrorDetails } from "../errors.ts";

/**
 * System calls through libc (Linux), without a native module of our own.
 *
 * Every function returns what the call returned, or the negated errno: a caller compares with 0 and with `-EAGAIN`,
 * nothing is thrown and nothing is allocated. Addresses are plain numbers (user space is below 2^47): take them from
 * a {@link NativeBuffer}, whose memory never moves as long as somebody holds it.
 */

const c = koffi.load("libc.so.6");
/** errno of this thread; its address is fixed for the thread's life, so a view reads it without a call. */
const errno = new Int32Array(koffi.view(c.func("__errno_location", "uintptr_t", [])(), 4));

type Native = (...args: (number | string)[]) => number;
const declare = (name: string, ...args: string[]): Native => c.func(name, "int", args) as unknown as Native;
const orErrno = (result: number): number => (result < 0 ? -(errno[0] as number) : result);

const P = "uintptr_t";
const native = {
  open: declare("open", "str", "int", "int"),
  close: declare("close", "int"),
  read: declare("read", "int", P, "size_t"),
  write: declare("write", "int", P, "size_t"),
  writev: declare("writev", "int", P, "int"),
  ioctl: declare("ioctl", "int", "ulong", P),
  flock: declare("flock", "int", "int"),
  socket: declare("socket", "int", "int", "int"),
  bind: declare("bind", "int", P, "uint"),
  connect: declare("connect", "int", P, "uint"),
  listen: declare("listen", "int", "int"),
  accept4: declare("accept4", "int", P, P, "int"),
  shutdown: declare("shutdown", "int", "int"),
  send: declare("send", "int", P, "size_t", "int"),
  sendto: declare("sendto", "int", P, "size_t", "int", P, "uint"),
  recv: declare("recv", "int", P, "size_t", "int"),
  sendmmsg: declare("sendmmsg", "int", P, "uint", "int"),
  recvmmsg: declare("recvmmsg", "int", P, "uint", "int", P),
  getsockname: declare("getsockname", "int", P, P),
  setns: declare("setns", "int", "int"),
  setsockopt: declare("setsockopt", "int", "int", "int", P, "uint"),
  getsockopt: declare("getsockopt", "int", "int", "int", P, P),
  epollCreate1: declare("epoll_create1", "int"),
  epollCtl: declare("epoll_ctl", "int", "int", "int", P),
  epollWait: declare("epoll_wait", "int", P, "int", "int"),
  eventfd: declare("eventfd", "uint", "int"),
  timerfdCreate: declare("timerfd_create", "int", "int"),
  timerfdSettime: declare("timerfd_settime", "int", "int", P, P),
  posixOpenpt: declare("posix_openpt", "int"),
  grantpt: declare("grantpt", "int"),
  unlockpt: declare("unlockpt", "int"),
  ptsnameR: declare("ptsname_r", "int", P, "size_t"),
  prctl: declare("prctl", "int", "ulong", "ulong", "ulong", "ulong"),
  mkfifo: declare("mkfifo", "str", "int"),
  exit: declare("_exit", "int"),
  openlog: declare("openlog", P, "int", "int"),
  syslog: c.func("syslog", "void", ["int", "str", "..."]) as unknown as Native,
};

export const open = (path: string, flags: number, mode = 0): number =>
  orErrno(native.open(path, flags, mode));
export const close = (fd: number): number => orErrno(native.close(fd));
export const read = (fd: number, address: number, length: number): number =>
  orErrno(native.read(fd, address, length));
export const write = (fd: number, address: number, length: number): number =>
  orErrno(native.write(fd, address, length));
/** @param pieces address of `count` struct iovec */
export const writev = (fd: number, pieces: number, count: number): number =>
  orErrno(native.writev(fd, pieces, count));
/** @param arg an address, or a plain integer, as the request wants it */
export const ioctl = (fd: number, request: number, arg: number): number =>
  orErrno(native.ioctl(fd, request, arg));
export const flock = (fd: number, operation: number): number => orErrno(native.flock(fd, operation));
export const socket = (domain: number, type: number, protocol: number): number =>
  orErrno(native.socket(domain, type, protocol));
export const bind = (fd: number, address: number, length: number): number =>
  orErrno(native.bind(fd, address, length));
export const connect = (fd: number, address: number, length: number): number =>
  orErrno(native.connect(fd, address, length));
export const listen = (fd: number, backlog: number): number => orErrno(native.listen(fd, backlog));
export const accept = (fd: number, flags: number): number => orErrno(native.accept4(fd, 0, 0, flags));
export const shutdown = (fd: number, how: number): number => orErrno(native.shutdown(fd, how));
export const send = (fd: number, address: number, length: number, flags: number): number =>
  orErrno(native.send(fd, address, length, flags));
export const sendto = (
  fd: number,
  address: number,
  length: number,
  flags: number,
  to: number,
  toLength: number,
): number => orErrno(native.sendto(fd, address, length, flags, to, toLength));
export const recv = (fd: number, address: number, length: number, flags: number): number =>
  orErrno(native.recv(fd, address, length, flags));
/** Moves this thread, and no other, into a namespace. */
export const setns = (fd: number, type: number): number => orErrno(native.setns(fd, type));
/** @param messages address of `count` struct mmsghdr @returns how many were sent: at least one, or why the first was not */
export const sendmmsg = (fd: number, messages: number, count: number, flags: number): number =>
  orErrno(native.sendmmsg(fd, messages, count, flags));
/** @param messages address of `count` struct mmsghdr */
export const recvmmsg = (fd: number, messages: number, count: number, flags: number): number =>
  orErrno(native.recvmmsg(fd, messages, count, flags, 0));
export const getsockname = (fd: number, address: number, length: number): number =>
  orErrno(native.getsockname(fd, address, length));
export const setsockopt = (fd: number, level: number, name: number, value: number, length: number): number =>
  orErrno(native.setsockopt(fd, level, name, value, length));
export const getsockopt = (fd: number, level: number, name: number, value: number, length: number): number =>
  orErrno(native.getsockopt(fd, level, name, value, length));
export const epollCreate = (flags: number): number => orErrno(native.epollCreate1(flags));
export const epollCtl = (epoll: number, operation: number, fd: number, event: number): number =>
  orErrno(native.epollCtl(epoll, operation, fd, event));
export const epollWait = (epoll: number, events: number, count: number, timeoutMs: number): number =>
  orErrno(native.epollWait(epoll, events, count, timeoutMs));
export const eventfd = (initial: number, flags: number): number => orErrno(native.eventfd(initial, flags));
export const timerfdCreate = (clock: number, flags: number): number =>
  orErrno(native.timerfdCreate(clock, flags));
export const timerfdSettime = (fd: number, flags: number, value: number): number =>
  orErrno(native.timerfdSettime(fd, flags, value, 0));
export const posixOpenpt = (flags: number): number => orErrno(native.posixOpenpt(flags));
export const grantpt = (fd: number): number => orErrno(native.grantpt(fd));
export const unlockpt = (fd: number): number => orErrno(native.unlockpt(fd));
/** Returns 0 or a negated errno (ptsname_r itself returns the errno). */
export const ptsname = (fd: number, address: number, length: number): number =>
  -native.ptsnameR(fd, address, length);
export const prctl = (option: number, arg: number): number => orErrno(native.prctl(option, arg, 0, 0, 0));
/** Ends the process without waiting for anything, threads that look up names among it. Never returns. */
export const exitAtOnce = (code: number): number => native.exit(code);
export const mkfifo = (path: string, mode: number): number => orErrno(native.mkfifo(path, mode));

/** @param ident an address that stays: it is not copied */
export const openlog = (ident: number, options: number, facility: number): void =>
  void native.openlog(ident, options, facility);
export const syslog = (priority: number, text: string): void =>
  void native.syslog(priority, "%s", "str", text);

/** Numbers that are the same on every Linux that Node runs on (the generic ABI: x86-64, arm64, riscv). */
export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const EAGAIN = 11;
export const EACCES = 13;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const EBADFD = 77;
export const EMSGSIZE = 90;
export const EOPNOTSUPP = 95;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;

export const O_RDWR = 2;
export const O_NOCTTY = 0o400;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;

export const LOCK_EX = 2;
export const LOCK_NB = 4;

/** The number of a named group, as the system's name services know it; null: there is none. */
export function groupId(name: string): number | null {
  const entry = c.func("getgrnam", P, ["str"])(name) as number;
  // struct group: two pointers, then the number.
  return entry === 0 ? null : (new Uint32Array(koffi.view(entry + 16, 4))[0] as number);
}

/** Memory that native code may fill: views and the address are of the same octets. */
export interface NativeBuffer {
  readonly octets: Uint8Array;
  readonly view: DataView;
  readonly address: number;
}

/** Allocates memory whose address is known and stays: an ArrayBuffer's storage is outside the moving heap. */
export function nativeBuffer(length: number): NativeBuffer {
  const storage = new ArrayBuffer(Math.max(length, 64));
  const address = Number(koffi.address(storage));
  return { octets: new Uint8Array(storage, 0, length), view: new DataView(storage, 0, length), address };
}

const messages = getSystemErrorMap();

/** `ENODEV (no such device)` for a result below 0. */
export function describeErrno(result: number): string {
  const known = messages.get(result);
  return known === undefined ? `errno ${-result}` : `${known[0]} (${known[1]})`;
}

/**
 * Passes a result through, or turns a negated errno into an error that says what was tried.
 * @throws EqlError `code`, by default SYSTEM_CALL_FAILED
 */
export function check(
  result: number,
  doing: string,
  code: EqlErrorCode = "SYSTEM_CALL_FAILED",
  details: EqlErrorDetails = {},
): number {
  if (result >= 0) return result;
  throw new EqlError(code, `${doing}: ${describeErrno(result)}`, { details: { ...details, errno: -result } });
}
