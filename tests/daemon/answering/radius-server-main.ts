/* A RADIUS server at 127.0.0.1, ports 1812 and 1813, that knows joe, and never answers about "slow". What it is told it says on standard output: a line of JSON each. */
import { createHash, createHmac } from "node:crypto";
import { createSocket } from "node:dgram";

const SECRET = Buffer.from("of the test");
const ACCESS_REQUEST = 1;
const USER_NAME = 1;
const USER_PASSWORD = 2;
const ACCEPT = 2;
const REJECT = 3;
const ACCOUNTED = 5;

const md5 = (...parts: readonly Uint8Array[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash("md5")).digest();

function attributesOf(packet: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 20; at < packet.length; at += packet[at + 1] as number) {
    found.set(packet[at] as number, packet.subarray(at + 2, at + (packet[at + 1] as number)));
  }
  return found;
}

/** A password of at most 16 octets. */
function passwordIn(hidden: Buffer, authenticator: Buffer): string {
  const mask = md5(SECRET, authenticator);
  return Buffer.from(hidden.map((octet, at) => octet ^ (mask[at] as number)))
    .toString()
    .replace(/\0+$/, "");
}

function reply(request: Buffer, code: number, attributes: readonly (readonly [number, Buffer])[]): Buffer {
  const signature = code === ACCOUNTED ? [] : [Buffer.of(80, 18), Buffer.alloc(16)];
  const said = attributes.flatMap(([type, value]) => [Buffer.of(type, 2 + value.length), value]);
  const head = [Buffer.of(code, request[1] as number, 0, 0), request.subarray(4, 20)];
  const octets = Buffer.concat([...head, ...signature, ...said]);
  octets.writeUInt16BE(octets.length, 2);
  if (signature.length > 0) octets.set(createHmac("md5", SECRET).update(octets).digest(), 22);
  octets.set(md5(octets, SECRET), 4);
  return octets;
}

function answerTo(request: Buffer): Buffer | null {
  const attributes = attributesOf(request);
  const text = (type: number): string => attributes.get(type)?.toString() ?? "";
  const user = text(USER_NAME);
  if (request[0] === ACCESS_REQUEST) {
    const hidden = attributes.get(USER_PASSWORD);
    process.stdout.write(`${JSON.stringify({ asked: user, port: text(87), pap: hidden !== undefined })}\n`);
    if (user === "slow") return null;
    const isRight = hidden !== undefined && passwordIn(hidden, request.subarray(4, 20)) === "open-sesame";
    if (user !== "joe" || !isRight) return reply(request, REJECT, []);
    return reply(request, ACCEPT, [
      [8, Buffer.of(10, 99, 7, 7)],
      [25, Buffer.from("gold")],
      [62, Buffer.of(0, 0, 0, 1)],
    ]);
  }
  const number = (type: number): number => attributes.get(type)?.readUInt32BE() ?? -1;
  const record = {
    status: number(40),
    user,
    class: text(25),
    address: [...(attributes.get(8) ?? [])].join("."),
    received: number(42),
    cause: number(49),
    session: text(44),
  };
  process.stdout.write(`${JSON.stringify(record)}\n`);
  return reply(request, ACCOUNTED, []);
}

for (const port of [1812, 1813]) {
  const socket = createSocket("udp4");
  socket.on("message", (request, from) => {
    const answer = answerTo(request);
    if (answer !== null) socket.send(answer, from.port, from.address);
  });
  socket.bind(port, "127.0.0.1", () => process.stdout.write(`${JSON.stringify({ listens: port })}\n`));
}
