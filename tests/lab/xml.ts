import assert from "node:assert/strict";

/** Names of the elements in document order; asserts that each is closed where it should be. */
export function elements(xml: string): readonly string[] {
  const open: string[] = [];
  const found: string[] = [];
  let end = 0;
  for (const match of xml.matchAll(/<(\/?)([a-z]+)((?:\s+[a-zA-Z0-9-]+="[^"<]*")*)\s*(\/?)>/g)) {
    assert.doesNotMatch(xml.slice(end, match.index), /[<>]/, "text between elements is escaped");
    end = match.index + match[0].length;
    const [, closing, name = "", , empty] = match;
    if (closing === "/") assert.equal(open.pop(), name);
    else {
      found.push(name);
      if (empty !== "/") open.push(name);
    }
  }
  assert.deepEqual(open, []);
  assert.equal(xml.slice(end).trim(), "");
  return found;
}
