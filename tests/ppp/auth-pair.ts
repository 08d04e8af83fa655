import { pppCrypto } from "../../src/host/ppp-crypto.ts";
import { makeAuthenticatee, makeAuthenticator } from "../../src/ppp/auth.ts";
import type { AuthMachine } from "../../src/ppp/auth-machine.ts";
import { ChallengeMint } from "../../src/ppp/challenge-mint.ts";
import type { AuthProtocol, AuthSettings, Secret } from "../../src/ppp/settings.ts";
import { type Instant, instant, NEVER } from "../../src/time.ts";

export const secret = (client: string, server: string, secret: string): Secret => ({
  client,
  server,
  secret,
  addresses: [],
});

/** Settings in which nothing is said. */
export function authSettings(changes: Partial<AuthSettings>): AuthSettings {
  return {
    require: [],
    refuse: [],
    name: "nameless",
    user: "",
    remoteName: null,
    password: null,
    papSecrets: [],
    chapSecrets: [],
    deferred: false,
    timeoutMs: 60_000,
    ...changes,
  };
}

/** The server of the recorded sessions. */
export const server: AuthSettings = authSettings({
  name: "srv",
  papSecrets: [secret("client1", "*", "s3cret")],
  chapSecrets: [secret("client1", "*", "s3cret")],
});

export const client = (user: string, password: string): AuthSettings =>
  authSettings({ name: "host", user, password });

/** Two ends of one authentication, on virtual time, with a line between them that may lose packets. */
export class AuthPair {
  readonly authenticator: AuthMachine;
  readonly authenticatee: AuthMachine;
  now: Instant = instant(0);
  /** All packets in the order in which they were sent, lost ones too. */
  readonly sent: { readonly by: "authenticator" | "authenticatee"; readonly octets: Uint8Array }[] = [];
  /** Whether the line loses the packet that is sent now. */
  loses: () => boolean = () => false;

  constructor(protocol: AuthProtocol, serverSettings: AuthSettings, clientSettings: AuthSettings) {
    this.authenticator = makeAuthenticator(protocol, serverSettings, pppCrypto, new ChallengeMint(pppCrypto));
    this.authenticatee = makeAuthenticatee(protocol, clientSettings, pppCrypto, new ChallengeMint(pppCrypto));
  }

  up(): void {
    this.authenticatee.handleUp(this.now);
    this.authenticator.handleUp(this.now);
    this.drain();
  }

  /** Carries packets until none is left. */
  drain(): void {
    const ends = [
      ["authenticator", this.authenticator, this.authenticatee],
      ["authenticatee", this.authenticatee, this.authenticator],
    ] as const;
    for (let idle = false; !idle; ) {
      idle = true;
      for (const [by, from, to] of ends) {
        for (let octets = from.pollPacket(); octets; octets = from.pollPacket()) {
          idle = false;
          this.sent.push({ by, octets });
          if (!this.loses()) to.handlePacket(octets, 0, octets.length, this.now);
        }
      }
    }
  }

  /** Goes on in time until neither waits for anything, or up to a moment. */
  runUntil(end: number): void {
    for (;;) {
      const next = Math.min(this.authenticator.pollTimeout(), this.authenticatee.pollTimeout());
      if (next > end || next === NEVER) return;
      this.now = instant(next);
      this.authenticator.handleTimeout(this.now);
      this.authenticatee.handleTimeout(this.now);
      this.drain();
    }
  }
}
