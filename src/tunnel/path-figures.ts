/** What one report of the receiver brought; a path's `SentLog` tells it as it is. */
export interface PathFigures {
  /** What came at the receiver since the report before, octets of IP packets, and in what time by its clock; both 0: unknown. */
  readonly deliveredOctets: number;
  readonly deliveredMs: number;
  /** `oneWayMs` is a new measure. */
  readonly hasSample: boolean;
  /** Of the highest datagram, relative. */
  readonly oneWayMs: number;
  /** Octets of that datagram: a short one is sooner through a slow line. */
  readonly sampleOctets: number;
  /** From when the report before was made to when this one was, by the receiver's clock; 0: unknown. */
  readonly reportGapMs: number;
  /** One-way delays of before are not comparable with those from here on. */
  readonly clockRebased: boolean;
  /** Without the time the receiver held the report back; -1: unknown. */
  readonly roundTripMs: number;
  /** Of datagrams found lost since the report before. */
  readonly lostOctets: number;
}
