import { spawn } from "node:child_process";
import { closeSync, openSync, readlinkSync } from "node:fs";
import { check, setns } from "../../src/host/libc.ts";

const CLONE_NEWNET = 0x4000_0000;
const DEADLINE_MS = 60_000;

/** For scenarios of two hosts: the namespace of this process, and another one. */
export class TwoNamespaces {
  /** The process that holds the other one; it ends with this one. */
  readonly #holder;
  readonly #here = openSync("/proc/thread-self/ns/net", "r");
  readonly #there: number;

  constructor() {
    this.#holder = spawn("unshare", ["--net", "cat"], { stdio: ["pipe", "ignore", "inherit"] });
    const own = readlinkSync("/proc/thread-self/ns/net");
    const path = `/proc/${this.#holder.pid}/ns/net`;
    const end = performance.now() + DEADLINE_MS;
    while (readlinkSync(path) === own) {
      if (performance.now() > end) throw new Error("unshare has made no namespace");
    }
    this.#there = openSync(path, "r");
  }

  get holder(): number {
    return this.#holder.pid ?? 0;
  }

  /** What is opened, or run, belongs to the other host. */
  there<T>(body: () => T): T {
    check(setns(this.#there, CLONE_NEWNET), "setns");
    try {
      return body();
    } finally {
      check(setns(this.#here, CLONE_NEWNET), "setns");
    }
  }

  close(): void {
    closeSync(this.#here);
    closeSync(this.#there);
    this.#holder.kill();
  }
}
