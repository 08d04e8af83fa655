import { pppd } from "../../src/cli/pppd.ts";

// Runs pppd in a place of its own: the directory EQL_TEST_PLACE, and EQL_SOCKET.
const place = process.env["EQL_TEST_PLACE"] as string;
process.exitCode = await pppd(process.argv.slice(2), {
  directory: place,
  home: null,
  hostName: "localhost",
  lockDirectory: place,
  runDirectory: place,
  socket: process.env["EQL_SOCKET"] as string,
});
