import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatLines, formatSpan, formatStatus } from "../../src/cli/format-status.ts";
import { AT, line, master, status } from "../daemon/fake-daemon.ts";

describe("the status for people", () => {
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
