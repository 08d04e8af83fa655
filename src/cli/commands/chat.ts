import { Command } from "commander";

/** Only its help: the words after `eql chat` are chat's own and are not read here, see main.ts. */
export const chatCommand = (): Command =>
  new Command("chat")
    .summary("talk to a modem by a script, as chat does")
    .description(
      "Talk to a modem or a login on standard input and output by a script of chat(8): its strings, keywords, " +
        "options and exit codes.",
    )
    .argument("[expect send...]")
    .option("-f <FILE>", "read the script from a file")
    .option("-t <SECONDS>", "what an expected string is waited for (45)")
    .option("-r <FILE>", "append what REPORT finds to a file, not to standard error")
    .option("-e", "begin with ECHO ON")
    .option("-E", "$NAME stands for a variable of the environment")
    .option("-T <PHONE>", "what \\T in the script stands for")
    .option("-U <PHONE2>", "what \\U in the script stands for")
    .option("-v", "log what is sent, expected and received")
    .option("-V", "show what is received on standard error")
    .option("-s", "log to standard error too")
    .option("-S", "do not log to syslog")
    .usage("[options] {-f FILE | EXPECT SEND...}")
    .addHelpText(
      "after",
      `
Exit codes: 0 done; 1 a wrong option, script or file; 2 the line ended, or a signal; 3 a string did not
come in time; 4 the first ABORT string came, 5 the second, and so on. docs/chat.md has more.

Examples:
  eql chat -v ABORT BUSY ABORT 'NO CARRIER' '' ATZ OK ATDT5551001 CONNECT '\\c' </dev/ttyS0 >/dev/ttyS0
  eql pppd /dev/ttyS0 115200 connect 'eql chat -f /etc/ppp/chat-isp'
`,
    );
