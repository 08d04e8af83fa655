import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Config } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/load.ts";
import { ROOT, read, sectionOf } from "./markdown.ts";
import { bothEnslaved, bringUp, makeSite, shellOf, siteMissing, swapped, tomlOf } from "./site.ts";

const PAGE = read("docs/ppp.md");
const SEVERAL = sectionOf(PAGE, "Several lines to another host");
const CLIENT = sectionOf(PAGE, "One line to a terminal server");
const SERVER = sectionOf(PAGE, "A server that assigns addresses");
const REASONS = sectionOf(PAGE, "When it does not come up");

const [STARTING = "", LOOKING = ""] = shellOf(SEVERAL);

describe("docs/ppp.md", { skip: siteMissing() }, () => {
  it("bonds two lines", async (t) => {
    const { near, far } = await makeSite(t);
    near.write("eql.toml", tomlOf(SEVERAL));
    far.write("eql.toml", swapped(tomlOf(SEVERAL)));
    const ends = await Promise.all([near, far].map((host) => bringUp(host, STARTING)));
    await Promise.all([near, far].map(bothEnslaved));
    await near.until(
      ({ masters: [master] }) => master?.multilink?.ipv4 != null,
      () => "addresses",
    );
    const seen = await near.must(LOOKING);
    assert.match(seen, /[3-9] received/);
    assert.match(seen, /^ {2}addresses: 10\.0\.0\.1 to 10\.0\.0\.2$/m);
    assert.match(seen, /^ {2}fragments: \d+ sent, \d+ received, 0 lost$/m);
    for (const end of ends) await end();
  });

  it("gives its client an address, name servers and a default route", async (t) => {
    const { near, far } = await makeSite(t);
    near.write("eql.toml", tomlOf(CLIENT));
    far.write("eql.toml", tomlOf(SERVER));
    for (const host of [near, far]) await host.must("chmod 600 eql.toml");
    // The server first: a silent one cannot miss what the client begins with.
    const ends = [await bringUp(far, STARTING), await bringUp(near, STARTING)];
    await near.until(
      ({ lines: [line] }) => line?.state === "alone",
      () => "the line to be up",
    );
    const seen = await near.must("eql status");
    assert.match(seen, /^ {2}addresses: 10\.0\.0\.2 to 10\.0\.0\.1, name servers 10\.0\.0\.53$/m);
    assert.match(seen, /^ {2}options: theirs auth chap-md5$/m);
    assert.match(await far.must("eql status"), /^ {2}peer: branch, authenticated$/m);
    assert.match(await near.must("ip route"), /^default dev ppp0 /m);
    assert.match(await near.must("ping -c 3 10.0.0.1"), /[3-9] received/);
    for (const end of ends) await end();
  });
});

it("docs/ppp.md has the set-up of examples/ppp-multilink.toml, but for RTS/CTS and the echo", () => {
  const plain = ({ masters, lines }: Config): unknown => [
    masters,
    lines.map(({ rtscts: _rtscts, echo: _echo, ppp, ...rest }) => [rest, { ...ppp?.lcp, echo: null }]),
  ];
  const example = "examples/ppp-multilink.toml";
  assert.deepEqual(
    plain(parseConfig(tomlOf(SEVERAL), "docs/ppp.md")),
    plain(parseConfig(read(example), example)),
  );
});

it("docs/ppp.md quotes reasons as they are", () => {
  const files = ["src/ppp", "src/host/engine"].flatMap((folder) =>
    readdirSync(join(ROOT, folder)).map((file) => read(`${folder}/${file}`)),
  );
  const source = files.join("\n");
  const reasons = [...REASONS.matchAll(/^\| `([^`]+)` \|/gm)].map(([, reason = ""]) => reason);
  assert.ok(reasons.length > 10);
  for (const reason of reasons) {
    for (const part of reason.split(/"?\b(?:NAME|METHOD|A|B)\b"?/)) assert.ok(source.includes(part), reason);
  }
});
