/**
 * UUIDv7: ids that sort by the time they were made.
 *
 * `crypto.randomUUID` would be shorter, but browsers offer it on secure origins only and a hub may
 * be opened by plain http from a phone on the same network; `getRandomValues` is there everywhere.
 *
 * @param {number} [now] milliseconds
 * @returns {string}
 */
export function uuid7(now = Date.now()) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let index = 5, rest = now; index >= 0; index -= 1) {
    bytes[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
