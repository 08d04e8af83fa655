import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseAddressRange } from "../../../src/config/address-range.ts";
import type { LineConfig } from "../../../src/config/config.ts";
import { Addresses } from "../../../src/daemon/answering/addresses.ts";
import type { Grant, Refusal } from "../../../src/daemon/answering/authority.ts";
import { Callers, type CallersTools, type Place } from "../../../src/daemon/answering/callers.ts";
import type { AccountedSession } from "../../../src/daemon/answering/radius-accounting.ts";
import { Session, type SessionTools } from "../../../src/daemon/answering/session.ts";
import type { Line } from "../../../src/daemon/line.ts";
import type { Talk } from "../../../src/daemon/talks.ts";
import type { AnswerResult } from "../../../src/dial/answer-dialogue.ts";
import { EqlError } from "../../../src/errors.ts";
import type { Proof } from "../../../src/ppp/proof.ts";

const SIZE = 40;
const POOL = [parseAddressRange(`10.0.0.1-10.0.0.${SIZE}`) ?? assert.fail()];
const TEMPLATE = { name: "tty0", kind: "ppp", mtu: 1500, rateBps: 28_800, speedBps: 28_800, ppp: null };
const ABOUT = { line: "tty0", device: "/dev/ttyS0", carrierBps: 28_800, callerId: null };
const LIMITS = { idleMs: null, sessionMs: null, beginMs: 60_000 };
const PPP: AnswerResult = { kind: "ppp" };

const grantOf = (user: string): Grant => ({
  ok: true,
  user,
  protocol: "any",
  address: null,
  maxLines: 2,
  idleMs: null,
  sessionMs: null,
  mtu: null,
});
const proofOf = (name: string, id = 1): Proof => ({ id, name, method: "pap", password: new Uint8Array(1) });

/** As much of a daemon as sessions need. */
class World {
  readonly addresses = new Addresses();
  readonly callers: Callers;
  /** Sessions that are accounted for as begun, and not yet as ended. */
  readonly open = new Set<string>();
  fails: "nothing" | "master" | "handOver" | "bringUp" | "hangUp" | "discard" | "accounting" = "nothing";
  /** What an authority's answer waits for. */
  judging: Promise<unknown> = Promise.resolve();
  readonly #keeper = {
    masters: new Map<string, unknown>(),
    lines: new Map<string, Line>(),
    bringUp: async (line: Line) => {
      this.#fail("bringUp");
      this.#keeper.lines.set(line.name, line);
    },
    hangUp: async () => this.#fail("hangUp"),
    discard: async (line: Line) => {
      this.#keeper.lines.delete(line.name);
      this.#fail("discard");
    },
  };
  readonly #tools: SessionTools;
  #calls = 0;

  constructor() {
    const { addresses } = this;
    const log = { info: () => {}, warn: () => {}, debug: () => {} };
    const engine = { request: async () => ({ lines: [] }) };
    const tools = {
      addresses,
      log,
      engine,
      keeper: this.#keeper,
      netlink: { interface: () => null },
      addMaster: async ({ name }: { readonly name: string }) => {
        // Made, but not addressed.
        this.#keeper.masters.set(name, {});
        this.#fail("master");
      },
    };
    this.callers = new Callers(tools as unknown as CallersTools);
    const accounting = {
      begin: ({ id }: AccountedSession) => {
        this.open.add(id);
        return {
          end: () => {
            this.open.delete(id);
            if (this.fails === "accounting") throw new Error("a bug");
          },
        };
      },
      close: async () => {},
    };
    this.#tools = {
      ...tools,
      callers: this.callers,
      accounting: [accounting],
      prove: async ({ name }: Proof): Promise<Grant | Refusal> => {
        await this.judging;
        return name === "nobody" ? { ok: false, message: "wrong" } : grantOf(name);
      },
      admit: (grant: Grant) => this.admit(grant),
    } as unknown as SessionTools;
  }

  admit(grant: Grant): Promise<Place | string> {
    return this.callers.admit(grant, {
      realm: "here",
      local: "10.0.0.254",
      mtu: 1500,
      pool: POOL,
      maxLines: null,
    });
  }

  async place(user: string): Promise<Place> {
    const place = await this.admit(grantOf(user));
    return typeof place === "string" ? assert.fail(place) : place;
  }

  session(place: Place | null = null): Session {
    const template = { ...TEMPLATE, name: `tty${this.#calls++}` } as unknown as LineConfig;
    const user = place?.caller.user ?? "";
    const result: AnswerResult = place === null ? PPP : { kind: "login", user, protocol: "slip" };
    return new Session(this.#tools, template, ABOUT, LIMITS, result, place);
  }

  /** @returns whether it has begun */
  async begin(session: Session): Promise<boolean> {
    const talk = {
      name: session.line.name,
      close: async () => {},
      handOver: async () => {
        this.#fail("handOver");
        return { talk: "", early: new Uint8Array(), rateBps: null };
      },
    };
    return session.begin(talk as unknown as Talk).then(
      () => true,
      () => false,
    );
  }

  /** Sees that nothing is left of anybody. */
  async requireEmpty(): Promise<void> {
    assert.deepEqual([this.#keeper.lines.size, this.#keeper.masters.size, this.open.size], [0, 0, 0]);
    const places = [];
    for (let n = 0; n < SIZE; n++) places.push(await this.place(`caller ${n}`));
    for (const place of places) await this.callers.leave(place);
  }

  #fail(what: World["fails"]): void {
    if (this.fails === what) throw new EqlError("SYSTEM_CALL_FAILED", `${what} fails`);
  }
}

describe("sessions", () => {
  it("judge one proof after the other, so that nobody is let in twice", async () => {
    const world = new World();
    let judge = (): void => {};
    world.judging = new Promise<void>((resolve) => {
      judge = resolve;
    });
    const session = world.session();
    await world.begin(session);
    // The caller negotiates anew while the first is being judged.
    const verdicts = [1, 2, 3].map((id) => session.verify(proofOf(id < 3 ? "joe" : "jane", id)));
    judge();
    const [first, second, third] = await Promise.all(verdicts);
    assert.deepEqual([first?.ok, second?.ok], [true, true]);
    assert.deepEqual(third, { ok: false, message: "this is joe's call" });
    session.handleClosed("peer", "gone");
    await session.ended;
    await world.requireEmpty();
  });

  it("judge on after an authority has failed", async () => {
    const world = new World();
    const session = world.session();
    await world.begin(session);
    world.judging = Promise.reject(new EqlError("CONFIG_UNREADABLE", "no file"));
    await assert.rejects(session.verify(proofOf("joe")), { code: "CONFIG_UNREADABLE" });
    world.judging = Promise.resolve();
    assert.ok((await session.verify(proofOf("joe"))).ok);
    session.handleClosed("peer", "gone");
    await session.ended;
    await world.requireEmpty();
  });

  const ends: Readonly<Record<string, (world: World, session: Session) => Promise<unknown> | void>> = {
    "by the peer": (_, session) => session.handleClosed("peer", "gone"),
    "by command": (_, session) => session.hangUp("admin", "asked"),
    "by both at once": (_, session) => {
      session.hangUp("admin", "asked");
      session.handleClosed("hangup", "gone");
    },
    "while it is judged": (_, session) => {
      const verdict = session.verify(proofOf("joe"));
      session.handleClosed("peer", "gone");
      return verdict;
    },
    "while somebody else is": (_, session) => {
      const verdict = session.verify(proofOf("nobody"));
      session.hangUp("admin", "asked");
      return verdict;
    },
    "by a farewell that fails": (world, session) => {
      world.fails = "hangUp";
      session.hangUp("admin", "asked");
    },
    "by a line that cannot be removed": (world, session) => {
      world.fails = "discard";
      session.handleClosed("peer", "gone");
    },
    "by accounting that fails": (world, session) => {
      world.fails = "accounting";
      session.handleClosed("peer", "gone");
    },
  };
  for (const [name, end] of Object.entries(ends)) {
    it(`that end ${name} leave nothing, however often`, async () => {
      const world = new World();
      for (let n = 0; n < 3 * SIZE; n++) {
        world.fails = "nothing";
        const isLogin = n % 2 === 0;
        const session = world.session(isLogin ? await world.place("joe") : null);
        assert.ok(await world.begin(session));
        if (n % 3 === 0) assert.equal((await session.verify(proofOf(`joe`))).ok, true);
        if (n % 5 === 0) session.tell({ event: "up" } as Parameters<Session["tell"]>[0]);
        await end(world, session);
        await session.ended;
      }
      world.fails = "nothing";
      await world.requireEmpty();
    });
  }

  for (const step of ["master", "handOver", "bringUp"] as const) {
    it(`that cannot begin by ${step} leave nothing, however often`, async () => {
      const world = new World();
      for (let n = 0; n < 3 * SIZE; n++) {
        world.fails = step;
        const places = [await world.place(`joe ${n}`), await world.place(`joe ${n}`)];
        const sessions = places.map((place) => world.session(place));
        const begun = await Promise.all(sessions.map((session) => world.begin(session)));
        assert.deepEqual(begun, [false, false]);
        for (const session of sessions) await session.ended;
      }
      world.fails = "nothing";
      await world.requireEmpty();
    });
  }

  it("that are hung up before they have begun leave nothing", async () => {
    const world = new World();
    for (let n = 0; n < 3 * SIZE; n++) {
      const session = world.session(await world.place(`joe ${n}`));
      session.hangUp("shutdown", "the end");
      await world.begin(session);
      await session.ended;
    }
    await world.requireEmpty();
  });

  it("go on in their bundle when the first of its lines is gone", async () => {
    const world = new World();
    const sessions = [world.session(await world.place("joe")), world.session(await world.place("joe"))];
    for (const session of sessions) assert.ok(await world.begin(session));
    const [first, second] = sessions as [Session, Session];
    assert.equal(first.line.wants, "call0");
    first.handleClosed("hangup", "gone");
    await first.ended;
    const third = world.session(await world.place("joe"));
    assert.ok(await world.begin(third));
    assert.deepEqual([second.line.wants, third.line.wants], ["call0", "call0"]);
    assert.equal(third.address, second.address);
    for (const session of [second, third]) session.handleClosed("peer", "gone");
    await Promise.all([second.ended, third.ended]);
    await world.requireEmpty();
  });
});
