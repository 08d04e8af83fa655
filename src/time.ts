declare const unit: unique symbol;

/** A point on the caller's monotonic clock, in milliseconds. Never wall time. */
export type Instant = number & { readonly [unit]: "instant" };
/** A span of time in milliseconds. */
export type Millis = number & { readonly [unit]: "millis" };

export const instant = (ms: number): Instant => ms as Instant;
export const millis = (ms: number): Millis => ms as Millis;
export const after = (t: Instant, d: number): Instant => (t + d) as Instant;
export const earlier = (a: Instant, b: Instant): Instant => (a < b ? a : b);
/** The deadline of a machine that waits for nothing. */
export const NEVER: Instant = instant(Number.POSITIVE_INFINITY);
