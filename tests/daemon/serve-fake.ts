import { startControlServer } from "../../src/daemon/control-server.ts";
import { FakeDaemon, FakeLog } from "./fake-daemon.ts";

// Serves a fake daemon at the path that is the only argument, until it is killed or its parent ends.
const path = process.argv[2] as string;
await startControlServer(new FakeDaemon(), { path, mode: 0o600, group: null, log: new FakeLog() });
process.on("disconnect", () => process.exit());
process.send?.("ready");
