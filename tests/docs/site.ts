import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { findTool } from "../../src/lab/tool.ts";
import { VirtualLines } from "../../src/lab/virtual-line.ts";
import { exitOf, InstalledHost } from "./installed-host.ts";
import { blocksOf } from "./markdown.ts";

/** What documents tell to do, done: on two hosts with virtual lines for cables, otherwise word for word. */

const SPEEDS = [115_200, 57_600];

export const tomlOf = (section: string): string =>
  blocksOf(section).find(({ language }) => language === "toml")?.text ?? "";

/** The shell blocks of a section that call our commands. */
export const shellOf = (section: string): string[] =>
  blocksOf(section)
    .filter(({ language, text }) => language === "sh" && /\beql(_|\b)(?!-)/.test(text))
    .map(({ text }) => text);

/** "On the second host with address and peer swapped." */
export const swapped = (toml: string): string =>
  toml.replace(/^(address|peer)/gm, (key) => (key === "address" ? "peer" : "address"));

/** Why this cannot be run here; false when it can, or must. */
export function siteMissing(): string | false {
  if (process.env["EQL_REQUIRE_ALL"] === "1") return false;
  const needs = [
    "--net",
    "--mount",
    "sh",
    "-c",
    "test -w /dev/net/tun && mount --bind / /mnt && command -v ip && command -v ping",
  ];
  const { status } = spawnSync(findTool("unshare"), needs);
  return status === 0
    ? false
    : "needs the right to make network and mount namespaces (root), /dev/net/tun, ip and ping";
}

/** Two hosts, and cables between their first and second serial ports. */
export interface Site {
  readonly near: InstalledHost;
  readonly far: InstalledHost;
}

export async function makeSite(t: TestContext): Promise<Site> {
  const directory = mkdtempSync(join(tmpdir(), "eql-docs-"));
  const made: { close(): Promise<void> }[] = [];
  t.after(async () => {
    for (const part of made.toReversed()) await part.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const hosts: InstalledHost[] = [];
  for (const name of ["near", "far"]) {
    const host = await InstalledHost.create(name, join(directory, name));
    made.push(host);
    hosts.push(host);
  }
  const [near, far] = hosts as [InstalledHost, InstalledHost];
  const cables = SPEEDS.map((rateBps, line) => ({
    near: near.device(`ttyS${line}`),
    far: far.device(`ttyS${line}`),
    rateBps,
  }));
  made.push(await VirtualLines.start(cables));
  return { near, far };
}

export const bothEnslaved = (host: InstalledHost): Promise<void> =>
  host.until(
    ({ lines }) => lines.length === 2 && lines.every(({ state }) => state === "enslaved"),
    () => "two enslaved lines",
  );

/** Runs a block whose last line starts the daemon. @returns how to end it, which checks that it ends well */
export async function bringUp(host: InstalledHost, block: string): Promise<() => Promise<void>> {
  const lines = block.trim().split("\n");
  const daemon = await host.start(lines.pop() ?? "");
  for (const line of lines) await host.must(line);
  return async () => {
    await host.must("sudo eql down");
    assert.equal(await exitOf(daemon), 0);
    assert.doesNotMatch(await host.must("ip -o link"), /: (eql|sl\d|ppp\d)/);
    assert.equal(await host.must("ls /run/eql /run/lock"), "/run/eql:\n\n/run/lock:\n");
  };
}
