/**
 * Numbers and times as people read them.
 */

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 6 });
const COMPACT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const FULL_DAY = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full' });

/** @param {number} value @returns {string} 1,042 */
export function grouped(value) {
  return GROUPED.format(value);
}

/** @param {number} value @returns {string} 1.2K, from ten thousand on */
export function compact(value) {
  return value < 10_000 ? grouped(value) : COMPACT.format(value);
}

/** @param {number} value @returns {string} `0`, `0.4`, `12` */
export function perSecond(value) {
  return value > 0 && value < 10 ? value.toFixed(1) : grouped(Math.round(value));
}

/** @param {number} count @param {string} one @returns {string} `1 row`, `2 rows` */
export function counted(count, one) {
  return `${grouped(count)} ${one}${count === 1 ? '' : 's'}`;
}

function pad(value, width = 2) {
  return String(value).padStart(width, '0');
}

/** Built by hand, not by Intl: this runs for every row of every frame. */
function clockTime(date) {
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return `${time}.${pad(date.getMilliseconds(), 3)}`;
}

/**
 * @param {string} timestamp
 * @param {Date} [now]
 * @returns {string} the local time of day, with the day when that is not today
 */
export function rowTime(timestamp, now = new Date()) {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return '';
  const today = date.toDateString() === now.toDateString();
  return today ? clockTime(date) : `${DAY.format(date)}, ${clockTime(date).slice(0, 8)}`;
}

/**
 * @param {string} timestamp
 * @param {Date} [now]
 * @returns {string} `09:05`, with the day when that is not today
 */
export function shortTime(timestamp, now = new Date()) {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return '';
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  return date.toDateString() === now.toDateString() ? time : `${DAY.format(date)}, ${time}`;
}

/** @param {string} timestamp @returns {string} day and time to the millisecond, local */
export function fullTime(timestamp) {
  const date = new Date(timestamp);
  return Number.isNaN(date.getTime()) ? timestamp : `${FULL_DAY.format(date)}, ${clockTime(date)}`;
}

/**
 * @param {string} timestamp
 * @param {number} [now] milliseconds
 * @returns {string} `just now`, `12 s ago`, `3 min ago` …
 */
export function relativeTime(timestamp, now = Date.now()) {
  const seconds = Math.round((now - new Date(timestamp).getTime()) / 1000);
  if (Number.isNaN(seconds)) return '';
  const distance = Math.abs(seconds);
  if (distance < 2) return 'just now';
  /** @type {[number, string][]} */
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const [size, unit] = units.find(([size]) => distance >= size);
  const text = `${Math.floor(distance / size)} ${unit}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** @param {number} value @returns {string} `734 B`, `12.4 kB`, `1.2 GB` (powers of a thousand) */
export function bytes(value) {
  let unit = 0;
  let size = value;
  // What would be rounded up to 1,000 belongs to the next unit.
  while (size >= 999.5 && unit < BYTE_UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && size < 99.95 ? 1 : 0;
  return `${size.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** @param {number} seconds @returns {string} `42 s`, `3 min 5 s`, `2 h 10 min`, `12 d 4 h` */
export function duration(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)} h ${Math.floor(whole / 60) % 60} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor(whole / 3_600) % 24} h`;
}

/** @param {number} ms @returns {string} `0.08 ms`, `4.2 ms`, `120 ms`, `1.5 s` */
export function milliseconds(ms) {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms >= 100) return `${Math.round(ms)} ms`;
  return `${ms.toFixed(ms >= 1 ? 1 : 2)} ms`;
}
