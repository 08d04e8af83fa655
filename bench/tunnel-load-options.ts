/** What the load process is to do: its argument, as JSON. */
export interface LoadOptions {
  readonly clients: readonly { readonly privateKey: string; readonly address: string }[];
  readonly serverKey: string;
  /** By link. */
  readonly devices: readonly string[];
  readonly servers: readonly string[];
  /** Who answers echo requests. */
  readonly target: string;
  /** One after the other, once all clients have all their paths. */
  readonly phases: readonly {
    readonly seconds: number;
    /** Of all clients together. */
    readonly packetsPerSecond: number;
    readonly octets: number;
  }[];
}

/** A line that the load process writes. Times are CLOCK_MONOTONIC, milliseconds. `missing`: not all paths are alive any more. */
export type LoadEvent =
  | { readonly event: "begun" | "alive" | "missing"; readonly at: number }
  | {
      readonly event: "end";
      readonly phase: number;
      readonly at: number;
      readonly sent: number;
      readonly replies: number;
      /** Dropped so far in the clients' queues. */
      readonly delayed: number;
      /** Of the load process, so far. */
      readonly cpuSeconds: number;
    };
