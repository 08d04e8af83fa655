import assert from "node:assert/strict";
import { it } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { clientConfig, serverConfig } from "../../src/lab/wan-bond.ts";

it("bonds uplinks with two configurations that fit together", () => {
  const keysOf = (name: string, octet: number) => ({
    file: `/run/lab/${name}.key`,
    publicKey: Buffer.alloc(32, octet).toString("base64"),
  });
  const [own, far] = [keysOf("client", 1), keysOf("server", 2)];
  const parse = (tables: readonly string[]) => parseConfig(tables.join("\n\n"), "lab");
  const [client] = parse(clientConfig({ links: 2, redundant: true }, own, far)).tunnels;
  const [server] = parse(serverConfig(far, own)).tunnels;
  const [called] = client?.peers ?? [];
  const [caller] = server?.peers ?? [];
  assert.equal(called?.publicKey, far.publicKey);
  assert.equal(caller?.publicKey, own.publicKey);
  assert.deepEqual([client?.keyFile, server?.keyFile], [own.file, far.file]);
  assert.deepEqual(called?.servers, ["10.77.0.1:7411", "10.77.1.1:7411"]);
  assert.deepEqual(
    called?.paths.map(({ name, device }) => [name, device]),
    [
      ["wan0", "wan0"],
      ["wan1", "wan1"],
    ],
  );
  assert.equal(called?.redundant, true);
  assert.deepEqual(caller?.networks, client?.addresses);
  assert.equal(client?.mtu, server?.mtu);
});
