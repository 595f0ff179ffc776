// How things are called: dates, numbers, and what the log and the settings say, in plain words.

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const FORMATS = {
  day: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" }),
  longDay: new Intl.DateTimeFormat("en-GB", {
    weekday: "long", day: "numeric", month: "long", year: "numeric",
  }),
  month: new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric" }),
  shortMonth: new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric" }),
  time: new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }),
};
const NUMBER = new Intl.NumberFormat("en-GB");

function told(at, format = "day") {
  return Number.isNaN(at) ? "unknown date" : FORMATS[format].format(at);
}

function toldWhole(at) {
  return Number.isNaN(at) ? "unknown date" : `${told(at)}, ${told(at, "time")}`;
}

// The day as an <input type="date"> writes it, where the reader is.
function dayOf(at) {
  if (Number.isNaN(at)) return "";
  const date = new Date(at);
  const two = (number) => String(number).padStart(2, "0");
  const year = String(date.getFullYear()).padStart(4, "0");
  return `${year}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

// From when to when, a single day said once.
function stretch(first, last, { on = "", from = "" } = {}) {
  const [begin, end] = [told(first), told(last)];
  return begin === end ? on + begin : `${from}${begin} to ${end}`;
}

function number(value) {
  return typeof value === "number" ? NUMBER.format(value) : String(value ?? "");
}

function count(amount, one, many = `${one}s`) {
  return `${number(amount)} ${amount === 1 ? one : many}`;
}

function bytes(value) {
  if (value < 1000) return `${value} bytes`;
  return value < 1e6 ? `${number(Math.round(value / 1000))} kB` : `${(value / 1e6).toFixed(1)} MB`;
}

function listed(parts) {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

function roomName(id) {
  return roomById.get(id)?.name ?? "Another room";
}

const OUTCOMES = new Map([
  ["ok", "done"],
  ["denied", "refused"],
  ["failed", "failed"],
  ["interrupted", "interrupted"],
  ["begun", "cut short"],
]);

// What was done and how it ended, in the words that the bot has for it.
function actionWords(entry) {
  return given.said[entry.said];
}

function factWords([name, value]) {
  if (name === "ms") return `${number(value)} ms`;
  if (name === "bytes" && typeof value === "number") return bytes(value);
  const words = name.replaceAll("_", " ");
  if (typeof value === "boolean") return `${words}: ${value ? "yes" : "no"}`;
  return `${words}: ${value === null ? "none" : number(value)}`;
}

const SETTINGS = new Map([
  ["memory.mode", "When things about you are remembered"],
  ["retention", "How long your messages are kept"],
  ["digest", "A weekly digest of what was learned"],
  ["digest sent", "The last digest reached up to"],
  ["greeted in direct", "Greeted in your direct chat"],
  ["greeted in shared", "Greeted in a shared room"],
]);

const VALUES = new Map([
  ["memory.mode auto", "auto: by itself, shown under the answer"],
  ["memory.mode ask", "ask: only what you approve"],
  ["memory.mode manual", "manual: only what you ask for"],
  ["memory.mode off", "off: nothing is remembered or used"],
  ["retention off", "until you delete them"],
]);

const SPANS = new Map([["w", "week"], ["d", "day"], ["h", "hour"], ["m", "minute"], ["s", "second"]]);

// A span of time as it is said: 30 days.
function spanned(text) {
  const written = /^(\d{1,6})([wdhms])$/.exec(text);
  return written ? count(Number(written[1]), SPANS.get(written[2])) : text;
}

const PRIVATE = "private ";

function settingWords({ name, value }) {
  const known = VALUES.get(`${name} ${value}`) ?? (name === "retention" ? spanned(value) : value);
  if (!name.startsWith(PRIVATE)) return [SETTINGS.get(name) ?? name, known];
  const room = name.slice(PRIVATE.length);
  return [`Nothing is kept of what you say in ${roomById.has(room) ? `“${roomName(room)}”` : room}`, value];
}

const ORIGINS = new Map([
  ["person", "added by you"],
  ["model", "learned from you"],
  ["import", "imported"],
]);
