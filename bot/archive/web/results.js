// What a search found: a list of links to the places, with the words marked.

const KINDS = new Map([
  ["memory", ["Memories", "memory", "memories"]],
  ["message", ["Messages", "message", "messages"]],
  ["entry", ["Log", "log entry", "log entries"]],
]);

function resultsView(asked) {
  const found = search(asked);
  const words = terms(asked.q);
  const counts = grouped(found, (item) => item.kind);
  const summary = foundWords(found.length, counts);
  document.getElementById("found").textContent = summary;
  const head = heading(asked.q.trim() ? "Found" : "Filtered", summary);
  if (!found.length) {
    return [head, nothing("Nothing here has all of that.",
      "Try fewer or shorter words: parts of words are found too, and accents make no difference.")];
  }
  const between = (item, before) => (item.kind === before?.kind ? null
    : el("li", { class: "divider" }, el("h2", {}, KINDS.get(item.kind)[0])));
  const list = el("ol", { class: "results" });
  return [head, paged(found, (item) => result(item, words), { list, between })];
}

function foundWords(all, counts) {
  if (!all) return "No results";
  const parts = [...KINDS].filter(([kind]) => counts.has(kind))
    .map(([kind, [, one, many]]) => count(counts.get(kind).length, one, many));
  return parts.length > 1 ? `${count(all, "result")}: ${listed(parts)}` : parts[0];
}

function result(item, words) {
  const [place, about] = RESULTS[item.kind](item);
  return el("li", {}, link(place, { class: `result ${item.kind}` },
    el("span", { class: "about" }, about, time(item.at, toldWhole(item.at))),
    el("span", { class: "excerpt", dir: "auto" }, excerpt(unmarked(shownText(item, words)), words)),
    beside(item, words)));
}

const RESULTS = {
  message: (one) => [`message/${one.id}`,
    `${one.who === "me" ? "You" : "Confidant"} · ${roomName(one.room)}${one.thread_id ? ", thread" : ""}`],
  memory: (one) => [`memory/${one.id}`, `Memory ${one.id} · ${ORIGINS.get(one.origin) ?? ""}`],
  entry: (one) => [`log/${one.id}`, `Entry ${number(one.id)} · ${OUTCOMES.get(one.outcome) ?? one.outcome}`],
};

// The text of an item itself, or whatever of it has the words.
function shownText(item, words) {
  const own = item.kind === "entry" ? actionWords(item) : item.text;
  const has = (text) => words.some((word) => folded(text).includes(word));
  return !words.length || has(own) ? own : TEXTS[item.kind](item).filter(Boolean).find(has) ?? own;
}

function beside(item, words) {
  if (item.kind !== "entry" || !item.facts.length) return "";
  const facts = item.facts.map(factWords).join(" · ");
  return el("span", { class: "facts", dir: "auto" }, marked(facts, places(facts, words)));
}
