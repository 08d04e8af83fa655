import { EqlError } from "../errors.ts";
import {
  check,
  close,
  describeErrno,
  EACCES,
  EBADFD,
  EBUSY,
  EINVAL,
  ENODEV,
  ENOENT,
  ENXIO,
  EPERM,
  ioctl,
  nativeBuffer,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  open,
} from "./libc.ts";

const TUN_DEVICE = "/dev/net/tun";
const TUNSETIFF = 0x400454ca;
const TUNGETFEATURES = 0x800454cf;
const TUNGETIFF = 0x800454d2;
const TUNSETCARRIER = 0x400454e2;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const IFF_TUN_EXCL = 0x8000;
/** Before each packet stands a virtio-net header. */
export const IFF_VNET_HDR = 0x4000;
const NAME_ROOM = 16;

/**
 * Makes the network interface `name`, which lives as long as the returned descriptor: each read gives one IP packet that the kernel
 * sends to it, each write one that came in by it. Nonblocking.
 * @param flags more of them, of those that the driver has
 * @throws EqlError TUN_MISSING, CAPABILITY_MISSING, NAME_TAKEN, TUN_OPEN_FAILED
 */
export function openTun(name: string, flags = 0): number {
  const fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) throw openFailure(fd);
  const request = nativeBuffer(40);
  request.octets.set(new TextEncoder().encode(name).subarray(0, NAME_ROOM - 1));
  request.view.setUint16(NAME_ROOM, IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL | (flags & featuresOf(fd)), true);
  const result = ioctl(fd, TUNSETIFF, request.address);
  if (result >= 0) return fd;
  close(fd);
  throw nameFailure(name, result);
}

/** Whether packets of such a descriptor have a virtio-net header before them: {@link openTun} leaves out what the driver lacks. */
export function hasVirtioHeader(fd: number): boolean {
  const request = nativeBuffer(40);
  check(ioctl(fd, TUNGETIFF, request.address), "TUNGETIFF");
  return (request.view.getUint16(NAME_ROOM, true) & IFF_VNET_HDR) !== 0;
}

function featuresOf(fd: number): number {
  const features = nativeBuffer(4);
  return ioctl(fd, TUNGETFEATURES, features.address) < 0 ? 0 : features.view.getUint32(0, true);
}

/** Tells the kernel whether the line behind the interface is there; without it, routes by the interface are dead. */
export function setCarrier(fd: number, carrier: boolean): void {
  const value = nativeBuffer(4);
  value.view.setUint32(0, carrier ? 1 : 0, true);
  const result = ioctl(fd, TUNSETCARRIER, value.address);
  // Kernels before 5.0 have no such call, and an interface that was deleted needs no carrier.
  if (result !== -EINVAL && result !== -EBADFD) check(result, "TUNSETCARRIER");
}

function openFailure(result: number): EqlError {
  if (result === -ENOENT || result === -ENODEV || result === -ENXIO) {
    return new EqlError(
      "TUN_MISSING",
      `${TUN_DEVICE} is missing: load the driver with \`modprobe tun\`, and in a container pass the device in (--device ${TUN_DEVICE})`,
    );
  }
  if (result === -EACCES || result === -EPERM) {
    return new EqlError(
      "CAPABILITY_MISSING",
      `${TUN_DEVICE} cannot be opened: ${describeErrno(result)}; run as root or with CAP_NET_ADMIN`,
    );
  }
  return new EqlError("TUN_OPEN_FAILED", `${TUN_DEVICE} cannot be opened: ${describeErrno(result)}`);
}

function nameFailure(name: string, result: number): EqlError {
  const details = { interface: name };
  if (result === -EBUSY || result === -EINVAL) {
    return new EqlError(
      "NAME_TAKEN",
      `There is an interface ${name} already: remove it (\`ip link del ${name}\`), stop the program that made it, or choose another name`,
      { details },
    );
  }
  if (result === -EPERM || result === -EACCES) {
    return new EqlError(
      "CAPABILITY_MISSING",
      `The interface ${name} cannot be made: ${describeErrno(result)}; run as root or with CAP_NET_ADMIN`,
      { details },
    );
  }
  return new EqlError("TUN_OPEN_FAILED", `The interface ${name} cannot be made: ${describeErrno(result)}`, {
    details,
  });
}
