/** Keeps so many datagrams of each kind that are sent to a port. */
export interface RecordRole {
  readonly role: "record";
  readonly port: number;
  readonly initiations: number;
  readonly transports: number;
}

export interface FloodRole {
  readonly role: "flood";
  readonly target: string;
  readonly serverKey: string;
  readonly recorded: readonly string[];
}
