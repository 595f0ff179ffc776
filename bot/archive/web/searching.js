// Finding words in everything, without regard to case, accents or width. Nothing is prepared until
// somebody searches; from then on each text is kept as it is compared.

// Accents of Latin, Greek and Cyrillic, points of Hebrew and Arabic; not the vowels of Indic scripts.
const ACCENTS = /[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]/g;
const PLAIN = /^[\x00-\x7f]*$/;
const LETTERS = new Map([
  ["ß", "ss"], ["æ", "ae"], ["œ", "oe"], ["ø", "o"], ["ł", "l"], ["đ", "d"], ["ı", "i"], ["ς", "σ"],
]);
const LETTER = /[ßæœøłđıς]/g;

function folded(text) {
  if (PLAIN.test(text)) return text.toLowerCase();
  return text.normalize("NFKD").toLowerCase().replace(ACCENTS, "")
    .replace(LETTER, (letter) => LETTERS.get(letter));
}

// The words of a query, what stands in quotation marks as one.
function terms(query) {
  const found = query.matchAll(/["“„]([^"”“]+)["”“]|(\S+)/g);
  const words = [...found].map(([, phrase, word]) => folded(phrase ?? word));
  return [...new Set(words)].filter(Boolean);
}

// What an item says.
function ownText(item) {
  return item.kind === "entry" ? actionWords(item) : item.text;
}

// What else is found of it, each with a word for what that is: it isn't what the item says.
const OTHERS = {
  message: (one) => [["noted below", one.note], ["model", one.model]],
  memory: (one) => [
    ["in your words", one.quote],
    ...(revisionsOf.get(one.id) ?? []).toReversed().map((row) => ["said before", row.text]),
    ...(saidOf.get(one.id) ?? []).map((row) => ["also said", row.quote]),
  ],
  entry: (one) => [["action", one.action], ["on", one.target], ["outcome", one.outcome]],
};

function textOf(item) {
  const facts = item.kind === "entry" ? item.facts.map(factWords) : [];
  return [ownText(item), ...OTHERS[item.kind](item).map(([, text]) => text), ...facts].filter(Boolean).join("\n");
}

const asCompared = new WeakMap();

function compared(item) {
  let text = asCompared.get(item);
  if (text === undefined) {
    text = folded(textOf(item));
    asCompared.set(item, text);
  }
  return text;
}

// Memories first, for they are few; of each kind the newest first.
const everything = [memories, messages, entries].flatMap((items) => items.toReversed());

function search({ q, what, who, from, to, room }) {
  const words = terms(q);
  const begin = from ? new Date(`${from}T00:00`).getTime() : -Infinity;
  const end = to ? new Date(`${to}T23:59:59.999`).getTime() : Infinity;
  const fits = (item) => (!what || item.kind === what) && (!who || item.who === who)
    && (!room || item.room === rooms[room - 1]?.id)
    && (!from || item.at >= begin) && (!to || item.at <= end);
  return everything.filter((item) => fits(item)
    && words.every((word) => compared(item).includes(word)));
}

// Where the words stand in a text: pairs of beginning and end, in its own characters.
function places(text, words) {
  let plain = "";
  const origin = [];
  let at = 0;
  for (const letter of text) {
    const fold = folded(letter);
    for (let one = 0; one < fold.length; one += 1) origin.push(at);
    plain += fold;
    at += letter.length;
  }
  origin.push(text.length);
  const found = [];
  for (const word of words) {
    for (let hit = plain.indexOf(word); hit >= 0; hit = plain.indexOf(word, hit + word.length)) {
      let end = hit + word.length;
      while (end < origin.length - 1 && origin[end] === origin[end - 1]) end += 1;
      found.push([origin[hit], origin[end]]);
    }
  }
  return found.sort((one, other) => one[0] - other[0]);
}

function marked(text, found, from = 0, to = text.length) {
  const parts = [];
  let end = from;
  for (const [begin, stop] of found) {
    if (stop <= end || begin >= to) continue;
    parts.push(text.slice(end, Math.max(begin, end)));
    parts.push(el("mark", {}, text.slice(Math.max(begin, end), Math.min(stop, to))));
    end = Math.min(stop, to);
  }
  return [...parts, text.slice(end, to)];
}

const EXCERPT = 280;
const BEFORE = 80;

// The part of a text around the first word that was found, with all of them marked.
function excerpt(text, words, length = EXCERPT) {
  const nearby = text.length > 20000 ? near(text, words) : text;
  const found = places(nearby, words);
  const first = found[0]?.[0] ?? 0;
  let from = nearby.length <= length || first < BEFORE ? 0 : first - BEFORE;
  let to = Math.min(nearby.length, from + length);
  if (isInside(nearby, from)) from += 1;
  if (isInside(nearby, to)) to += 1;
  const cutBefore = from > 0 || (nearby !== text && !text.startsWith(nearby));
  const cutAfter = to < nearby.length || (nearby !== text && !text.endsWith(nearby));
  return [cutBefore ? "… " : "", marked(nearby, found, from, to), cutAfter ? " …" : ""];
}

// Of a very long text the stretch around the first hit: letters are looked at one by one there.
function near(text, words) {
  const plain = folded(text);
  const hit = Math.min(...words.map((word) => plain.indexOf(word)).filter((at) => at >= 0), plain.length);
  const from = Math.max(0, Math.floor((hit / Math.max(1, plain.length)) * text.length) - 8000);
  return text.slice(from, from + 16000);
}

// Whether a cut there would halve a letter beyond the first 65,536.
function isInside(text, at) {
  return at > 0 && (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800;
}
