import type { BindingScheduler, LinkView } from "./scheduler.ts";

/** Each packet to the next link in turn, whatever their speeds. */
export class RoundRobin implements BindingScheduler {
  readonly kind = "binding";
  #turn = 0;

  bind(_length: number, links: readonly LinkView[]): number {
    const chosen = this.#turn % links.length;
    this.#turn = chosen + 1;
    return chosen;
  }

  forget(): void {}
}
