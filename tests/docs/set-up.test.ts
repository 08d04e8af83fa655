import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { read, sectionOf } from "./markdown.ts";
import { bothEnslaved, bringUp, makeSite, shellOf, siteMissing, swapped, tomlOf } from "./site.ts";

const README = read("README.md");
const CABLES = sectionOf(README, "Two hosts and two cables");
const WAY_OF_1995 = sectionOf(README, "The way of 1995");

describe("README.md", { skip: siteMissing() }, () => {
  for (const [name, toml] of [
    ["its own set-up", tomlOf(CABLES)],
    ["examples/null-modem.toml", read("examples/null-modem.toml")],
  ] as const) {
    it(`joins two hosts with ${name}`, async (t) => {
      const { near, far } = await makeSite(t);
      near.write("eql.toml", toml);
      far.write("eql.toml", swapped(toml));
      const [starting = "", looking = ""] = shellOf(CABLES);
      const ends = await Promise.all([near, far].map((host) => bringUp(host, starting)));
      await Promise.all([near, far].map(bothEnslaved));
      const seen = await near.must(looking);
      assert.match(seen, /[3-9] received/);
      assert.match(seen, /^eql +up .*2 of 4/m);
      for (const end of ends) await end();
    });
  }

  it("joins them the way of 1995", async (t) => {
    const { near, far } = await makeSite(t);
    far.write("eql.toml", swapped(tomlOf(CABLES)));
    const [starting = "", enslaving = ""] = shellOf(WAY_OF_1995);
    const ends = [await bringUp(near, starting), await bringUp(far, shellOf(CABLES)[0] ?? "")];
    assert.equal(await near.must(enslaving), "");
    await Promise.all([near, far].map(bothEnslaved));
    assert.match(await near.must("ping -c 3 10.0.0.2"), /[3-9] received/);
    await near.must("sudo ip link set sl0 down");
    await near.until(
      ({ lines }) => lines.find(({ name }) => name === "sl0")?.state === "down",
      () => "sl0 to be freed",
    );
    assert.equal(await near.must("sudo eql_emancipate eql sl1"), "");
    for (const end of ends) await end();
  });
});
