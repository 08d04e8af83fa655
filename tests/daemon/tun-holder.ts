import { EPOLLIN, Epoll } from "../../src/host/epoll.ts";
import { nativeBuffer, read } from "../../src/host/libc.ts";
import { Netlink } from "../../src/host/netlink.ts";
import { openTun } from "../../src/host/tun.ts";
import { instant, NEVER } from "../../src/time.ts";

/* Holds a TUN interface that is none of a daemon's, brings it up, and says the length of each packet that leaves by it. */

const [name = "", mtu = "1500"] = process.argv.slice(2);
const fd = openTun(name);
const netlink = new Netlink();
const { index } = netlink.interface(name) ?? { index: 0 };
netlink.setMtu(index, Number(mtu));
netlink.disableGeneratedAddresses(index);
netlink.setUp(index, true);
console.log("up");
const epoll = new Epoll(1);
epoll.add(fd, 0, EPOLLIN);
const packet = nativeBuffer(65536);
for (;;) {
  epoll.waitUntil(NEVER, instant(0));
  for (let length = read(fd, packet.address, 65536); length > 0; ) {
    console.log(length);
    length = read(fd, packet.address, 65536);
  }
}
