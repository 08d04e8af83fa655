/** Until there is a measure. */
const DEFAULT_MS = 100;
const UNKNOWN_MS = 1500;
/** Of the ends' programs. */
const SLACK_MS = 50;

/** How long an answer takes on a path, smoothed as TCP does (RFC 6298), milliseconds. */
export class RoundTrip {
  smoothedMs: number = DEFAULT_MS;
  variationMs: number = DEFAULT_MS / 2;
  isMeasured = false;

  /** An answer that takes longer is not to be expected any more. */
  get answerMs(): number {
    return this.isMeasured ? this.smoothedMs + 4 * this.variationMs + SLACK_MS : UNKNOWN_MS;
  }

  take(sampleMs: number): void {
    if (!this.isMeasured) {
      this.isMeasured = true;
      this.smoothedMs = sampleMs;
      this.variationMs = sampleMs / 4;
    } else {
      this.variationMs += (Math.abs(sampleMs - this.smoothedMs) - this.variationMs) / 4;
      this.smoothedMs += (sampleMs - this.smoothedMs) / 8;
    }
  }
}
