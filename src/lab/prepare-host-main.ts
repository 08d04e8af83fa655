import { existsSync, writeFileSync } from "node:fs";
import { check, close, ioctl, nativeBuffer, O_CLOEXEC, socket } from "../host/libc.ts";

/**
 * Runs once inside a new host: brings `lo` up and writes the kernel settings that its argument names, as JSON from
 * paths below /proc/sys to values.
 */

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
/** struct ifreq: the name in 16 octets, then the flags as a short. */
const IFREQ_LENGTH = 40;
const FLAGS_AT = 16;

const settings = JSON.parse(process.argv[2] ?? "{}") as Record<string, string>;
for (const [name, value] of Object.entries(settings)) {
  const path = `/proc/sys/${name}`;
  if (existsSync(path)) writeFileSync(path, value);
}

const request = nativeBuffer(IFREQ_LENGTH);
request.octets.set(Buffer.from("lo"));
const fd = check(socket(AF_INET, SOCK_DGRAM | O_CLOEXEC, 0), "open a socket to bring lo up");
check(ioctl(fd, SIOCGIFFLAGS, request.address), "read the flags of lo");
request.view.setInt16(FLAGS_AT, request.view.getInt16(FLAGS_AT, true) | IFF_UP, true);
check(ioctl(fd, SIOCSIFFLAGS, request.address), "bring lo up", "CAPABILITY_MISSING");
close(fd);
