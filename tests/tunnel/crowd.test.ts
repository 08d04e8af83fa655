import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Crowd } from "./crowd.ts";

/* A fifth of what an endpoint does, for a fifth of 500 clients. */
const CLIENTS = 100;
const LINKS = 2;
const load = { checks: [2000, 512], handshakes: [20, 40], proven: [60, 60], cookies: [200, 102] } as const;

describe("many clients whose server began anew", () => {
  for (const [where, addressOf] of [
    ["behind two addresses", (_: number, link: number) => [10, 0, link, 1]],
    ["each in networks of its own", (client: number, link: number) => [10, client, link, 1]],
  ] as const) {
    // Without being asked each second they come with the pauses of handshakes, of up to 15 s by then.
    it(`are all there soon, ${where}, though it does no more handshakes than it may`, () => {
      const crowd = new Crowd({ clients: CLIENTS, links: LINKS, addressOf, load });
      crowd.startServer();
      const firstMs = crowd.untilThere(10_000);
      crowd.run(1000);
      crowd.killServer();
      crowd.run(12_000);
      crowd.startServer();
      const tookMs = crowd.untilThere(20_000);
      assert.equal(crowd.there, CLIENTS);
      assert.ok(firstMs < 2500 && tookMs < 3500, `${firstMs} ms, then ${tookMs} ms`);
      const [first = 0] = crowd.handshakes;
      const inFirst = crowd.handshakes.filter((at) => at < first + 1000).length;
      const most = load.handshakes[0] + load.handshakes[1] + load.proven[0] + load.proven[1];
      assert.ok(inFirst <= most, `${inFirst} handshakes in the first second`);
      assert.ok(crowd.handshakes.length < 1.2 * CLIENTS, `${crowd.handshakes.length} handshakes`);
    });
  }

  // If it answers all that come, those who are back already wait so long that they give up, and begin anew.
  it("are all there in the time that their handshakes take twice, also when it is slow", () => {
    const clients = 250;
    const addressOf = (client: number, link: number): number[] => [10, client, link, 1];
    const crowd = new Crowd({ clients, links: LINKS, addressOf, slowness: 20 });
    crowd.startServer();
    crowd.untilThere(20_000);
    assert.equal(crowd.there, clients);
    crowd.killServer();
    crowd.run(5000);
    crowd.startServer();
    const tookMs = crowd.untilThere(20_000);
    assert.equal(crowd.there, clients);
    assert.ok(tookMs < 10_000, `${tookMs} ms`);
    assert.ok(crowd.handshakes.length < 1.2 * clients, `${crowd.handshakes.length} handshakes`);
  });
});
