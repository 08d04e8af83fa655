import { Command } from "commander";

/** Only its help: the words after `eql pppd` are pppd's own and are not read here, see main.ts. */
export const pppdCommand = (): Command =>
  new Command("pppd")
    .summary("speak PPP on a line, as pppd does")
    .description(
      "Speak PPP on a serial line, with pppd's command line, option files, scripts and exit codes.",
    )
    .argument("[option...]")
    .allowUnknownOption()
    .usage("[DEVICE] [SPEED] [LOCAL:REMOTE] [option...]")
    .addHelpText(
      "after",
      `
The options are those of pppd(8); docs/pppd.md lists them. The line is carried by the daemon that listens at
EQL_SOCKET, else at /run/eql/eql.sock; where none does, one is started that ends with its last line.
eql-pppd is the same as a program of its own.

Examples:
  eql pppd /dev/ttyS0 115200 crtscts lock defaultroute connect 'chat -f /etc/ppp/chat-isp'
  eql pppd call isp nodetach debug
  eql pppd /dev/ttyS0 57600 multilink 10.0.0.1:10.0.0.2 noauth
`,
    );
