import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  formatHistory,
  formatLines,
  formatMasters,
  formatSpan,
  formatStatus,
} from "../../src/cli/format-status.ts";
import type { MultilinkStatus, PppStatus, StationStatus } from "../../src/control/messages.ts";
import { AT, line, master, status } from "../daemon/fake-daemon.ts";

/** What stands below the only row of a table. */
const notesOf = (table: string): string[] =>
  table
    .trimEnd()
    .split("\n")
    .slice(2)
    .map((note) => note.trim());

const station = (change: Partial<StationStatus> = {}): StationStatus => ({
  name: "tty0",
  device: "/dev/ttyS0",
  state: "session",
  since: AT - 61_000,
  reason: "",
  user: "joe",
  address: "10.0.0.9",
  protocol: "slip",
  carrierBps: 28_800,
  callerId: null,
  transcript: ["> ATA", "< CONNECT 28800"],
  ...change,
});

describe("the status for people", () => {
  it("shows where callers are answered, and what was said with them", () => {
    const nobody = { user: null, address: null, protocol: null, carrierBps: null, transcript: [] };
    const stations = [
      station(),
      station({ name: "tty1", state: "closed", reason: "too many attempts to log in", ...nobody }),
    ];
    const shown = status({ masters: [], lines: [], stations });
    assert.equal(
      formatStatus(shown),
      `eql 0.1.0, process 4242, up 1h02m

no masters

ANSWERING  STATE    SINCE  USER  PROTOCOL  ADDRESS   CARRIER  CALLER
tty0       session  1m01s  joe   slip      10.0.0.9    28800  -
  on /dev/ttyS0
tty1       closed   1m01s  -     -         -               -  -
  on /dev/ttyS0; too many attempts to log in
`,
    );
    assert.equal(formatHistory(shown), "tty0\n  > ATA\n  < CONNECT 28800\n\ntty1\n");
  });

  it("shows masters, lines and what there is to say about them", () => {
    const text = formatStatus(
      status({
        masters: [
          master({ drops: { "queue-full": 7, "no-slave": 12 } }),
          master({ name: "eql1", up: false, slaves: [] }),
        ],
        lines: [
          line({
            drops: { "vj-compressed": 17 },
            hints: ["the peer compresses TCP headers (VJ): turn it off there, such as `novj`"],
            echoMs: 41.3,
          }),
          line({
            name: "sl1",
            device: "/dev/ttyUSB1",
            state: "closed",
            since: AT - 9_000,
            reason: "/dev/ttyUSB1 is in use by process 77",
            retryAt: AT + 8_000,
            master: null,
          }),
          line({
            name: "wan",
            kind: "device",
            device: "ppp0",
            rateGivenBps: 1_000_000,
            since: AT - 90_061_000,
          }),
        ],
      }),
    );
    assert.equal(
      text,
      [
        "eql 0.1.0, process 4242, up 1h02m",
        "",
        "MASTER  STATE   MTU  SCHEDULER         SLAVES  QUEUE    OCTETS  SENT   OCTETS  RECEIVED  OCTETS",
        "eql     up     1500  earliest-arrival  2 of 4  3 of 64    4500  1304  1300000      1190   98000",
        "  slaves: sl0, sl1",
        "  dropped: 12 no-slave, 7 queue-full",
        "eql1    down   1500  earliest-arrival  0 of 4  3 of 64    4500  1304  1300000      1190   98000",
        "  slaves: none (at least 1 wanted)",
        "",
        "LINE  STATE     SINCE  MASTER    GIVEN  ESTIMATED  BACKLOG  SENT   OCTETS  RECEIVED  OCTETS",
        "sl0   enslaved  2m05s  eql       28800      28650      312  1204  1234567      1100   90000",
        "  SLIP on /dev/ttyS0, MTU 1500, echo 41 ms; 1240001 octets out, 91234 in, framing included",
        "  dropped: 17 vj-compressed",
        "  hint: the peer compresses TCP headers (VJ): turn it off there, such as `novj`",
        "sl1   closed    9s     -         28800      28650      312  1204  1234567      1100   90000",
        "  why: /dev/ttyUSB1 is in use by process 77; tried again in 8s",
        "  SLIP on /dev/ttyUSB1, MTU 1500; 1240001 octets out, 91234 in, framing included",
        "wan   enslaved  1d01h  eql     1000000      28650      312  1204  1234567      1100   90000",
        "  interface ppp0, MTU 1500; 1240001 octets out, 91234 in, framing included",
        "",
      ].join("\n"),
    );
  });

  it("shows a PPP line: with whom it agreed on what", () => {
    const ppp: PppStatus = {
      phase: "network",
      ours: { mru: 576, asyncmap: "0x0", auth: "chap-md5", magic: "0x8d1b012d", pcomp: true, accomp: false },
      theirs: { asyncmap: "0x0", magic: "0xe28f98df", pcomp: true },
      peerName: "far",
      multilink: false,
      ipv4: { local: "10.99.0.1", remote: "10.99.0.2", dns: ["10.99.0.53", "10.99.0.54"] },
      ipv6: { local: "fe80::1", remote: "fe80::2", dns: [] },
      fragments: null,
    };
    const up = line({ kind: "ppp", name: "ppp0", state: "alone", master: null, echoMs: 23.8, ppp });
    assert.deepEqual(notesOf(formatLines([{ ...up, drops: { badCheck: 2 } }], AT)), [
      "PPP on /dev/ttyS0, MTU 1500, echo 24 ms; 1240001 octets out, 91234 in, framing included",
      "peer: far, authenticated",
      "addresses: 10.99.0.1 to 10.99.0.2, name servers 10.99.0.53 and 10.99.0.54",
      "addresses: fe80::1 to fe80::2",
      "options of both: asyncmap 0x0, magic, pcomp",
      "options: ours mru 576, auth chap-md5",
      "dropped: 2 badCheck",
    ]);
  });

  it("shows how far a PPP line has got that is not up", () => {
    const ppp: PppStatus = {
      phase: "authenticate",
      ours: { asyncmap: "0x0" },
      theirs: { mrru: 1500, endpoint: "1:0123" },
      peerName: null,
      multilink: false,
      ipv4: null,
      ipv6: null,
      fragments: null,
    };
    const waiting = line({ kind: "ppp", state: "negotiating", ppp });
    assert.deepEqual(notesOf(formatLines([waiting], AT)), [
      "PPP on /dev/ttyS0, phase authenticate, MTU 1500; 1240001 octets out, 91234 in, framing included",
      "options: ours asyncmap 0x0; theirs mrru 1500, endpoint 1:0123",
    ]);
    const closed = line({
      kind: "ppp",
      state: "closed",
      reason: "nobody answers",
      retryAt: AT + 3000,
      ppp: { ...ppp, phase: "dead", ours: {}, theirs: {} },
    });
    assert.deepEqual(notesOf(formatLines([closed], AT)), [
      "why: nobody answers; tried again in 3s",
      "PPP on /dev/ttyS0, MTU 1500; 1240001 octets out, 91234 in, framing included",
    ]);
  });

  it("shows the interface of a PPP line that is named after its port", () => {
    const own = line({ kind: "ppp", name: "ttyS0", interface: "ppp3" });
    assert.match(notesOf(formatLines([own], AT))[0] ?? "", /^PPP on \/dev\/ttyS0 as ppp3, MTU 1500;/);
  });

  it("shows a numbered bundle, and what each of its links has carried", () => {
    const multilink: MultilinkStatus = {
      peerName: "far",
      peerEndpoint: "local:ad.95",
      ipv4: { local: "10.99.0.1", remote: "10.99.0.2", dns: [] },
      ipv6: null,
      fragments: { sent: 75, received: 32, lost: 3 },
    };
    assert.deepEqual(notesOf(formatMasters([master({ multilink, drops: { fragmentLost: 3 } })])), [
      "slaves: sl0, sl1",
      "peer: far, authenticated, endpoint local:ad.95",
      "addresses: 10.99.0.1 to 10.99.0.2",
      "fragments: 75 sent, 32 received, 3 lost",
      "dropped: 3 fragmentLost",
    ]);
    const nobody = { ...multilink, peerName: null, peerEndpoint: "", ipv4: null };
    assert.deepEqual(notesOf(formatMasters([master({ multilink: nobody })])).slice(1), [
      "peer: has neither name nor endpoint",
      "fragments: 75 sent, 32 received, 3 lost",
    ]);
    const ppp: PppStatus = {
      phase: "network",
      ours: { mrru: 1500 },
      theirs: { mrru: 1500 },
      peerName: "far",
      multilink: true,
      ipv4: null,
      ipv6: null,
      fragments: { sent: 39, received: 32 },
    };
    assert.deepEqual(notesOf(formatLines([line({ kind: "ppp", ppp })], AT)).slice(1), [
      "peer: far, authenticated",
      "fragments: 39 sent, 32 received",
      "options of both: mrru 1500",
    ]);
  });

  it("says so when there is nothing", () => {
    const text = formatStatus(status({ masters: [], lines: [] }));
    assert.equal(
      text,
      "eql 0.1.0, process 4242, up 1h02m\n\nno masters\n\nno lines: add one with `eql line add`\n",
    );
  });

  it("lets no control character through to the terminal", () => {
    const text = formatLines([line({ reason: "\x1b[2Jgone\x9b", hints: ["a\nb"] })], AT);
    assert.doesNotMatch(text.replaceAll("\n", ""), /\p{Cc}/u);
    assert.match(text, /why: \?\[2Jgone\?\n/);
  });

  it("names spans by their two largest units", () => {
    const spans = [
      -5, 0, 999, 1000, 59_999, 60_000, 125_000, 3_600_000, 3_725_000, 86_400_000, 90_061_000, 1e12,
    ];
    assert.deepEqual(
      spans.map((ms) => formatSpan(ms)),
      ["0s", "0s", "0s", "1s", "59s", "1m00s", "2m05s", "1h00m", "1h02m", "1d00h", "1d01h", "11574d01h"],
    );
  });
});
