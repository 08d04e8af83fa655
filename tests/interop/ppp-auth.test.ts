import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { hostMissing } from "./access.ts";
import { kernelPeerMissing } from "./kernel-peer.ts";
import { PppWorld, untilLine } from "./ppp-world.ts";

const US = "10.9.0.1";
const PPPD = "10.9.0.2";
const BOTH = { address: US, peer: PPPD };
/** Lines in use at once have addresses of their own. */
const usOn = (line: number): string => `10.9.${line}.1`;
const pppdOn = (line: number): string => `10.9.${line}.2`;
/** As in the secrets: `us` is our name, `them` is pppd's. */
const SECRET = 'one with spaces, "quotes" and #';
const IN_A_FILE = '"one with spaces, \\"quotes\\" and #"';

/** How each protocol is called here and there, and what pppd logs of it. */
const PROTOCOLS = [
  { ours: "pap", pppd: "pap", asked: "<auth pap>", proof: /\[PAP AuthReq / },
  { ours: "chap-md5", pppd: "chap", asked: "<auth chap MD5>", proof: /\[CHAP Response / },
  { ours: "mschapv2", pppd: "mschap-v2", asked: "<auth chap MS-v2>", proof: /\[CHAP Response / },
] as const;

describe("our authentication and pppd's", { skip: kernelPeerMissing() || hostMissing() }, () => {
  let world: PppWorld;
  let directory: string;

  before(async () => {
    world = await PppWorld.create(PROTOCOLS.map(() => 115200));
    directory = mkdtempSync(join(tmpdir(), "eql-secrets-"));
    await theirSecrets([`us them ${IN_A_FILE} *`, `them us ${IN_A_FILE} *`]);
  });

  afterEach(() => world.settle());
  after(async () => {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    await world?.close();
  });

  async function theirSecrets(entries: readonly string[]): Promise<void> {
    for (const kind of ["pap", "chap"] as const) await world.peer.secrets(kind, entries);
  }

  /** Our secrets file, for all protocols. */
  function ourSecrets(entries: readonly string[]): { "pap-secrets": string; "chap-secrets": string } {
    const path = join(directory, "secrets");
    writeFileSync(path, `# client server secret addresses\n${entries.join("\n")}\n`);
    chmodSync(path, 0o600);
    return { "pap-secrets": path, "chap-secrets": path };
  }

  /** All protocols at once, each on a line of its own, which is called `ppp<line>`. */
  const eachOnItsLine = (
    check: (protocol: (typeof PROTOCOLS)[number], line: number) => Promise<void>,
  ): Promise<unknown> => Promise.all(PROTOCOLS.map(check));

  it("let pppd prove itself by each protocol", async () => {
    const keys = { ...ourSecrets([`them us ${IN_A_FILE} *`]), name: "us" };
    const daemon = await world.daemon(
      ...PROTOCOLS.map(({ ours }, line) =>
        world.table(line, { ...keys, address: usOn(line), peer: pppdOn(line), "require-auth": [ours] }),
      ),
    );
    await eachOnItsLine(async ({ asked, proof }, line) => {
      const pppd = await world.peer.pppd(line, "noipdefault user them remotename us");
      assert.deepEqual(await pppd.up(), { local: pppdOn(line), remote: usOn(line) });
      assert.ok((await pppd.saw(/^rcvd \[LCP ConfReq .*<auth /)).includes(asked));
      assert.match(await pppd.saw(proof), /^sent /);
      const { ppp } = await untilLine(daemon, `ppp${line}`, ({ state }) => state === "alone", "to be up");
      assert.equal(ppp.peerName, "them");
      await world.ping(pppdOn(line));
    });
  });

  it("prove themselves to pppd by each protocol", async () => {
    const daemon = await world.daemon(
      ...PROTOCOLS.map((_, line) => world.table(line, { user: "us", password: SECRET })),
    );
    await eachOnItsLine(async ({ pppd: theirs, asked, proof }, line) => {
      const options = `auth require-${theirs} name them ${pppdOn(line)}:${usOn(line)}`;
      const pppd = await world.peer.pppd(line, options);
      await pppd.up();
      assert.ok((await pppd.saw(/^sent \[LCP ConfReq .*<auth /)).includes(asked));
      assert.match(await pppd.saw(proof), /^rcvd .*"us"/);
      const { ppp } = await untilLine(daemon, `ppp${line}`, ({ state }) => state === "alone", "to be up");
      assert.equal(ppp.ipv4?.local, usOn(line));
      await world.ping(pppdOn(line));
    });
  });

  it("let nobody in by any protocol with a wrong secret, nor an unknown name", async () => {
    const keys = { ...ourSecrets(["them us other *"]), name: "us" };
    const daemon = await world.daemon(
      ...PROTOCOLS.map(({ ours }, line) =>
        world.table(line, { ...keys, address: usOn(line), peer: pppdOn(line), "require-auth": [ours] }),
      ),
    );
    await theirSecrets([`them us ${IN_A_FILE} *`, `nobody us ${IN_A_FILE} *`]);
    await eachOnItsLine(async (_, number) => {
      const answers: string[] = [];
      for (const user of ["them", "nobody"]) {
        const pppd = await world.peer.pppd(number, `user ${user} remotename us`);
        assert.equal(await pppd.ended(), 19, pppd.log.join("\n"));
        answers.push((await pppd.saw(/^rcvd \[(PAP AuthNak|CHAP Failure) /)).replaceAll(/id=\S+|C=\w+/g, ""));
        const { line } = await untilLine(daemon, `ppp${number}`, ({ reason }) => reason.includes(user), user);
        assert.match(line.reason, /prove|authent/i);
        assert.ok(!line.reason.includes(SECRET));
      }
      assert.equal(answers[0], answers[1], "both look alike");
    });
    await theirSecrets([`us them ${IN_A_FILE} *`, `them us ${IN_A_FILE} *`]);
  });

  it("say that pppd does not accept their proof by any protocol", async () => {
    const daemon = await world.daemon(
      ...PROTOCOLS.map((_, line) => world.table(line, { user: "us", password: "another" })),
    );
    await eachOnItsLine(async ({ pppd: theirs }, number) => {
      const options = `auth require-${theirs} name them ${pppdOn(number)}:${usOn(number)}`;
      const pppd = await world.peer.pppd(number, options);
      assert.equal(await pppd.ended(), 11, pppd.log.join("\n"));
      await pppd.saw(/authentication failed|failed (CHAP|PAP) authentication/i);
      const { line } = await untilLine(daemon, `ppp${number}`, ({ reason }) => reason !== "", "a reason");
      assert.match(line.reason, /us|authent|prove/i);
      assert.ok(!line.reason.includes("another"), "secrets are never told");
    });
  });

  it("prove themselves both at once, each in its own way", async () => {
    const secrets = ourSecrets([`them us ${IN_A_FILE} *`, `us them ${IN_A_FILE}`]);
    const keys = { ...BOTH, ...secrets, name: "us", "remote-name": "them", "require-auth": ["mschapv2"] };
    const daemon = await world.daemon(world.table(0, keys));
    const pppd = await world.peer.pppd(0, "auth require-chap name them remotename us");
    await pppd.up();
    const { ppp } = await untilLine(daemon, "ppp0", ({ state }) => state === "alone", "to be up");
    assert.equal(ppp.peerName, "them");
    await pppd.saw(/^rcvd \[CHAP Success /);
    await pppd.saw(/^sent \[CHAP Success /);
  });

  it("offer pppd another way when it refuses the first one", async () => {
    const secrets = ourSecrets([`them us ${IN_A_FILE} *`]);
    const keys = { ...BOTH, ...secrets, name: "us", "require-auth": ["mschapv2", "chap-md5", "pap"] };
    await world.daemon(world.table(0, keys));
    const pppd = await world.peer.pppd(0, "refuse-mschap-v2 refuse-chap user them remotename us");
    await pppd.up();
    assert.match(await pppd.saw(/^rcvd \[LCP ConfReq .*<auth /), /<auth pap>/);
  });

  it("never prove themselves in a way that is refused", async () => {
    const keys = { user: "us", password: SECRET, "refuse-auth": ["pap"] };
    const daemon = await world.daemon(world.table(0, keys));
    const pppd = await world.peer.pppd(0, "auth require-pap name them");
    await pppd.ended();
    assert.equal(pppd.count(/PAP AuthReq/), 0);
    const { line } = await untilLine(daemon, "ppp0", ({ state }) => state !== "alone", "not to be up");
    assert.notEqual(line.state, "alone");
  });

  it("hold pppd to the addresses of its secret", async () => {
    const secrets = ourSecrets([`them us ${IN_A_FILE} ${PPPD}`]);
    const keys = { address: US, ...secrets, name: "us", "require-auth": ["chap-md5"] };
    await world.daemon(world.table(0, keys));
    const pppd = await world.peer.pppd(0, "noipdefault user them remotename us ipcp-accept-local");
    assert.deepEqual(await pppd.up(), { local: PPPD, remote: US });
  });
});
