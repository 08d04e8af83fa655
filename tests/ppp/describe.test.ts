import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { describeControlPacket } from "../../src/ppp/describe.ts";
import {
  PPP_CCP,
  PPP_CHAP,
  PPP_IPCP,
  PPP_IPV6CP,
  PPP_LCP,
  PPP_MULTILINK,
  PPP_PAP,
} from "../../src/wire/ppp-packet.ts";
import { goldenFragments, goldenFrames, goldenLog, type PppPacket, reassemble } from "../wire/golden.ts";

const PROTOCOLS = [PPP_LCP, PPP_PAP, PPP_CHAP, PPP_IPCP, PPP_IPV6CP, PPP_CCP];

const ascii = (text: string): number[] => Array.from(text, (char) => char.charCodeAt(0));

/** The line of a packet with a right length field. */
function lineOf(
  protocol: number,
  code: number,
  data: readonly number[],
  behind: readonly number[] = [],
): string {
  const length = 4 + data.length;
  return rawLineOf(protocol, [code, 1, length >> 8, length & 0xff, ...data, ...behind]);
}

const rawLineOf = (protocol: number, octets: readonly number[]): string =>
  describeControlPacket(true, protocol, Uint8Array.from(octets), 0, octets.length);

const linesOf = (packets: readonly PppPacket[], sent: boolean): string[] =>
  packets.map(({ protocol, octets }) => describeControlPacket(sent, protocol, octets, 0, octets.length));

/** The control packets that a recorded line carried by themselves. */
const controlLines = (name: string, sent: boolean): string[] =>
  linesOf(
    goldenFrames(name).filter(({ protocol }) => protocol >= 0x8000),
    sent,
  );

/** The control packets that a recorded bundle carried. */
function bundledLines(names: readonly string[], short: boolean, sent: boolean): string[] {
  const fragments = names.flatMap((name) => goldenFragments(name, short));
  const packets = reassemble(fragments.toSorted((a, b) => a.number - b.number));
  return linesOf(
    packets.filter(({ protocol }) => protocol >= 0x8000),
    sent,
  );
}

const of = (lines: readonly string[], start: string): string[] =>
  lines.filter((line) => line.startsWith(start));

/** pppd does not log them once the bundle is up. */
const withoutEcho = (lines: readonly string[]): string[] =>
  lines.filter((line) => !/Echo(Req|Rep) id=0x[12]/.test(line));

describe("the line of a control packet is pppd's own", () => {
  it("plain sessions, and a second one on the same line", () => {
    const log = [...goldenLog("single-defaults-p"), ...goldenLog("eql-slave-novj-noccp-p")];
    const [sent, received] = [of(log, "sent"), of(log, "rcvd")];
    // The second log ends before its session does.
    assert.deepEqual(controlLines("ppp-single.ab", true).slice(0, sent.length), sent);
    assert.deepEqual(controlLines("ppp-single.ba", false).slice(0, received.length), received);
    assert.ok(sent.length >= 15 && received.length >= 15);
  });

  it("PAP, CHAP with MD5 and MS-CHAPv2, with right and with wrong secrets", () => {
    const names = [
      "pap-client",
      "chap-md5-client",
      "chap-md5-bad-client",
      "pap-bad-client",
      "mschapv2-client",
    ];
    const log = names.flatMap(goldenLog);
    const whole = (lines: readonly string[]) => lines.filter((line) => !line.includes("Term"));
    // Where the client was told to end, its log ends before the last words.
    assert.deepEqual(whole(controlLines("auth.ab", true)), whole(of(log, "sent")));
    assert.deepEqual(whole(controlLines("auth.ba", false)), whole(of(log, "rcvd")));
    for (const kind of ["PAP Auth", "CHAP Response", "CHAP Success", "CHAP Failure"]) {
      assert.ok(
        log.some((line) => line.includes(kind)),
        kind,
      );
    }
  });

  it("multilink with long numbers, each of its lines and the bundle", () => {
    const names = ["mlppp-line0.ba", "mlppp-line1.ba", "mlppp-line2.ba"];
    for (const [i, name] of names.entries()) {
      const log = of(goldenLog(`mlppp-p-line${i}`), "rcvd [LCP");
      assert.deepEqual(withoutEcho(controlLines(name, false)), withoutEcho(log));
    }
    assert.deepEqual(bundledLines(names, false, false), of(goldenLog("mlppp-p-line0"), "rcvd [IPCP"));
  });

  it("multilink with short numbers, and a fragment that came too early for the bundle", () => {
    const ways = [
      { way: "ab", direction: "sent" },
      { way: "ba", direction: "rcvd" },
    ];
    const log = goldenLog("mlppp-shortseq-c-line0");
    for (const { way, direction } of ways) {
      const sent = direction === "sent";
      const names = [0, 1].map((line) => `mlppp-shortseq-line${line}.${way}`);
      for (const [i, name] of names.entries()) {
        const own = of(goldenLog(`mlppp-shortseq-c-line${i}`), `${direction} [LCP`);
        assert.deepEqual(controlLines(name, sent), own);
      }
      const bundled = bundledLines(names, true, sent);
      assert.deepEqual(sent ? bundled : bundled.slice(1), of(log, `${direction} [IPCP`));
    }
    const early = goldenFrames("mlppp-shortseq-line0.ba").find(({ protocol }) => protocol === PPP_MULTILINK);
    assert.ok(early);
    assert.deepEqual(linesOf([early], false), of(log, "rcvd [proto"));
  });
});

describe("LCP", () => {
  it("options of every kind", () => {
    const options = [
      [1, 4, 0x05, 0xdc],
      [2, 6, 0, 0x0a, 0, 0],
      [3, 4, 0xc0, 0x23],
      [3, 5, 0xc2, 0x23, 0x05],
      [3, 5, 0xc2, 0x23, 0x80],
      [3, 5, 0xc2, 0x23, 0x81],
      [3, 5, 0xc2, 0x23, 0x06],
      [3, 4, 0xc2, 0x27],
      [4, 8, 0xc0, 0x25, 0, 0, 0, 1],
      [5, 6, 0xff, 0, 0, 1],
      [7, 2],
      [8, 2],
      [13, 3, 6],
      [17, 4, 0x05, 0xf4],
      [18, 2],
    ];
    const texts = [
      "<mru 1500>",
      "<asyncmap 0xa0000>",
      "<auth pap>",
      "<auth chap MD5>",
      "<auth chap MS>",
      "<auth chap MS-v2>",
      "<auth chap 0x6>",
      "<auth 0xc227>",
      "<quality lqr 00 00 00 01>",
      "<magic 0xff000001>",
      "<pcomp>",
      "<accomp>",
      "<callback CBCP>",
      "<mrru 1524>",
      "<ssnhf>",
    ];
    assert.equal(lineOf(PPP_LCP, 1, options.flat()), `sent [LCP ConfReq id=0x1 ${texts.join(" ")}]`);
    assert.equal(lineOf(PPP_LCP, 3, options[0] as number[]), "sent [LCP ConfNak id=0x1 <mru 1500>]");
    assert.equal(lineOf(PPP_LCP, 4, []), "sent [LCP ConfRej id=0x1]");
  });

  it("endpoint discriminators of every class", () => {
    const endpoints: [number[], string][] = [
      [[0], "null"],
      [[1, 0x46, 0x46, 0x0a], "local:46.46.0a"],
      [[2, 10, 0, 0, 1], "IP:10.0.0.1"],
      [[2, 10, 0, 0], "IP:0a.00.00"],
      [[3, 0, 0x11, 0x22, 0x33, 0x44, 0x55], "MAC:00:11:22:33:44:55"],
      [[4, 1, 2, 3, 4, 5, 6, 7, 8], "magic:01020304.05060708"],
      [[4, 1, 2], "magic:01.02"],
      [[5, 0x31], "phone:31"],
      [[9, 1], "9:01"],
    ];
    for (const [data, text] of endpoints) {
      const line = lineOf(PPP_LCP, 2, [19, 2 + data.length, ...data]);
      assert.equal(line, `sent [LCP ConfAck id=0x1 <endpoint [${text}]>]`);
    }
  });

  it("options unknown, malformed and cut short", () => {
    assert.equal(lineOf(PPP_LCP, 1, [99, 4, 1, 2, 7, 2]), "sent [LCP ConfReq id=0x1 < 63 04 01 02> <pcomp>]");
    assert.equal(lineOf(PPP_LCP, 1, [1, 3, 5, 7, 3, 0]), "sent [LCP ConfReq id=0x1 < 01 03 05> < 07 03 00>]");
    assert.equal(lineOf(PPP_LCP, 1, [7, 2, 5, 6, 1]), "sent [LCP ConfReq id=0x1 <pcomp> 05 06 01]");
    assert.equal(lineOf(PPP_LCP, 1, [7, 0, 8, 2]), "sent [LCP ConfReq id=0x1 07 00 08 02]");
    for (const type of [3, 4, 13, 19]) {
      assert.equal(lineOf(PPP_LCP, 1, [type, 2]), `sent [LCP ConfReq id=0x1 < ${hex(type)} 02>]`);
    }
  });

  it("the other codes", () => {
    const magic = [0x7a, 0x5a, 0x69, 0x92];
    assert.equal(lineOf(PPP_LCP, 5, ascii("User request")), 'sent [LCP TermReq id=0x1 "User request"]');
    assert.equal(lineOf(PPP_LCP, 6, []), "sent [LCP TermAck id=0x1]");
    assert.equal(lineOf(PPP_LCP, 5, [0, 1]), "sent [LCP TermReq id=0x1 00 01]");
    assert.equal(lineOf(PPP_LCP, 7, [15, 2, 0, 4]), "sent [LCP CodeRej id=0x1 0f 02 00 04]");
    assert.equal(lineOf(PPP_LCP, 8, [0x80, 0xfd, 1, 1]), "sent [LCP ProtRej id=0x1 80 fd 01 01]");
    assert.equal(lineOf(PPP_LCP, 9, magic), "sent [LCP EchoReq id=0x1 magic=0x7a5a6992]");
    assert.equal(lineOf(PPP_LCP, 10, [...magic, 1]), "sent [LCP EchoRep id=0x1 magic=0x7a5a6992 01]");
    assert.equal(lineOf(PPP_LCP, 11, [1]), "sent [LCP DiscReq id=0x1 01]");
    const ident = lineOf(PPP_LCP, 12, [...magic, ...ascii("eql 1")]);
    assert.equal(ident, 'sent [LCP Ident id=0x1 magic=0x7a5a6992 "eql 1"]');
    const remaining = lineOf(PPP_LCP, 13, [...magic, 0, 0, 0, 60, ...ascii("bye")]);
    assert.equal(remaining, 'sent [LCP TimeRem id=0x1 magic=0x7a5a6992 seconds=60 "bye"]');
    assert.equal(lineOf(PPP_LCP, 14, [1, 2]), "sent [LCP code=0xe id=0x1 01 02]");
  });
});

describe("the protocols behind LCP", () => {
  it("IPCP and IPV6CP", () => {
    const ipcp = [2, 6, 0, 0x2d, 15, 1, 3, 6, 10, 0, 0, 1, 129, 6, 9, 9, 9, 9, 131, 6, 1, 1, 1, 1];
    assert.equal(
      lineOf(PPP_IPCP, 1, ipcp),
      "sent [IPCP ConfReq id=0x1 <compress VJ 0f 01> <addr 10.0.0.1> <ms-dns1 9.9.9.9> <ms-dns2 1.1.1.1>]",
    );
    const old = lineOf(PPP_IPCP, 4, [1, 10, 10, 0, 0, 1, 10, 0, 0, 2, 130, 6, 0, 0, 0, 0, 3, 4, 1, 1]);
    assert.equal(
      old,
      "sent [IPCP ConfRej id=0x1 <addrs 10.0.0.1 10.0.0.2> <ms-wins 0.0.0.0> < 03 04 01 01>]",
    );
    const ipv6cp = lineOf(PPP_IPV6CP, 1, [1, 10, 0x02, 0x11, 0x22, 0xff, 0xfe, 0, 0, 1]);
    assert.equal(ipv6cp, "sent [IPV6CP ConfReq id=0x1 <addr fe80::0211:22ff:fe00:0001>]");
    assert.equal(lineOf(PPP_IPV6CP, 5, []), "sent [IPV6CP TermReq id=0x1]");
    assert.equal(lineOf(PPP_IPV6CP, 8, [1]), "sent [IPV6CP code=0x8 id=0x1 01]");
  });

  it("CCP", () => {
    const ccp = [26, 4, 0x78, 0, 24, 4, 0x77, 1, 21, 3, 0x2f, 1, 2, 2, 2, 18, 6, 1, 0, 0, 0x60];
    assert.equal(
      lineOf(PPP_CCP, 1, ccp),
      "sent [CCP ConfReq id=0x1 <deflate 15> <deflate(old#) 15 method 7 check 1> <bsd v1 15> <predictor 1> <predictor 2> <mppe +H -M +S +L -D -C>]",
    );
    assert.equal(lineOf(PPP_CCP, 14, []), "sent [CCP ResetReq id=0x1]");
    assert.equal(lineOf(PPP_CCP, 15, []), "sent [CCP ResetAck id=0x1]");
  });

  it("CHAP, and one that lies about its lengths", () => {
    const challenge = lineOf(PPP_CHAP, 1, [2, 0xab, 0x01, ...ascii("srv")]);
    assert.equal(challenge, 'sent [CHAP Challenge id=0x1 <ab01>, name = "srv"]');
    assert.equal(lineOf(PPP_CHAP, 3, []), 'sent [CHAP Success id=0x1 ""]');
    assert.equal(lineOf(PPP_CHAP, 2, [9, 1]), "sent [CHAP Response id=0x1 09 01]");
    assert.equal(lineOf(PPP_CHAP, 2, []), "sent [CHAP Response id=0x1]");
  });

  it("whatever is no control protocol that is known", () => {
    assert.equal(rawLineOf(0xc025, [1, 2]), "sent [proto=0xc025] 01 02");
  });
});

describe("PAP's password is in no line", () => {
  const PASSWORD = "hunter2";
  const request = [4, ...ascii("user"), PASSWORD.length, ...ascii(PASSWORD)];

  it("of a request, with octets behind it, or cut anywhere", () => {
    const line = 'sent [PAP AuthReq id=0x1 user="user" password=<hidden>]';
    assert.equal(lineOf(PPP_PAP, 1, request), line);
    assert.equal(lineOf(PPP_PAP, 1, request, ascii(PASSWORD)), `${line} <hidden>`);
    for (let length = 1; length < request.length; length++) {
      const cut = lineOf(PPP_PAP, 1, request.slice(0, length));
      assert.equal(cut, "sent [PAP AuthReq id=0x1 <hidden>]");
    }
    assert.equal(lineOf(PPP_PAP, 1, []), "sent [PAP AuthReq id=0x1]");
  });

  it("of a packet that is malformed, of another code, or sent back", () => {
    assert.equal(rawLineOf(PPP_PAP, [1, 1, 0xff, 0xff, ...request]), "sent [PAP] <hidden>");
    assert.equal(rawLineOf(PPP_PAP, [1, 1, 0]), "sent [PAP] <hidden>");
    assert.equal(lineOf(PPP_PAP, 9, request), "sent [PAP code=0x9 id=0x1 <hidden>]");
    const rejected = lineOf(PPP_LCP, 8, [0xc0, 0x23, 1, 1, 0, 17, ...request]);
    assert.equal(rejected, "sent [LCP ProtRej id=0x1 c0 23 <hidden>]");
  });

  it("and its answers are shown", () => {
    assert.equal(lineOf(PPP_PAP, 2, [2, ...ascii("ok")]), 'sent [PAP AuthAck id=0x1 "ok"]');
    assert.equal(lineOf(PPP_PAP, 3, [9, 1]), "sent [PAP AuthNak id=0x1 09 01]");
    assert.equal(lineOf(PPP_PAP, 3, []), "sent [PAP AuthNak id=0x1]");
  });
});

describe("hostile octets", () => {
  it("are escaped where there is text", () => {
    const text = [...ascii('a"\\'), 0x0a, 0x0d, 0x09, 0, 0x1b, 0x7f, 0xff];
    assert.equal(
      lineOf(PPP_CHAP, 4, text),
      'sent [CHAP Failure id=0x1 "a\\"\\\\\\n\\r\\t\\000\\033\\177\\377"]',
    );
  });

  it("are counted out after 32", () => {
    const long = Array.from({ length: 40 }, () => 0xaa);
    assert.equal(lineOf(PPP_LCP, 8, long), `sent [LCP ProtRej id=0x1${" aa".repeat(32)} ...]`);
    assert.equal(lineOf(PPP_LCP, 6, [], long), `sent [LCP TermAck id=0x1]${" aa".repeat(32)} ...`);
  });

  it("make one printable line of bounded length, and none outside of what is given is in it", () => {
    const anyOctet = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 12 }));
    const data = fc.array(anyOctet, { maxLength: 80 });
    const lengthField = fc.option(fc.nat({ max: 0xffff }), { freq: 3, nil: null });
    fc.assert(
      fc.property(
        fc.constantFrom(...PROTOCOLS, 0x00fd),
        fc.integer({ min: 0, max: 20 }),
        lengthField,
        data,
        fc.nat({ max: 90 }),
        (protocol, code, field, body, cut) => {
          const length = field ?? 4 + body.length;
          const packet = [code, 7, length >> 8, length & 0xff, ...body].slice(0, cut);
          const line = rawLineOf(protocol, packet);
          assert.match(line, /^sent \[[\x20-\x7e]+$/);
          assert.ok(line.length <= 60 + 8 * packet.length);
          const inside = Uint8Array.of(1, 2, 3, ...packet, 4, 5, 6);
          assert.equal(describeControlPacket(true, protocol, inside, 3, 3 + packet.length), line);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

const hex = (octet: number): string => octet.toString(16).padStart(2, "0");
