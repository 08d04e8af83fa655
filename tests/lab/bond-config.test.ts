import assert from "node:assert/strict";
import { it } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { bondConfig } from "../../src/lab/bond-config.ts";

it("PPP of the lab looks into no secrets of this machine, which an ordinary user may not read", () => {
  const options = {
    speeds: [28_800],
    mtu: 1500,
    scheduler: "earliest-arrival",
    protocol: "mlppp",
  } as const;
  const files = { socket: "/run/lab/eql.sock", lockDirectory: "/run/lab", devices: ["/dev/pts/1"] };
  const text = bondConfig(options, { address: "10.77.0.1", peer: "10.77.0.2" }, files);
  const [line] = parseConfig(text, "lab").lines;
  assert.match(line?.ppp?.papSecretsFile ?? "", /^\/run\/lab\//);
  assert.match(line?.ppp?.chapSecretsFile ?? "", /^\/run\/lab\//);
});
