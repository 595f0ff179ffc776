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
    el("span", { class: "excerpt", dir: "auto" }, excerpt(unmarked(ownText(item)), words)),
    beside(item, words), factsOf(item, words)));
}

const RESULTS = {
  message: (one) => [`message/${one.id}`,
    `${one.who === "me" ? "You" : "Confidant"} · ${roomName(one.room)}${one.thread_id ? ", thread" : ""}`],
  memory: (one) => [`memory/${one.id}`, `Memory ${one.id} · ${ORIGINS.get(one.origin) ?? ""}`],
  entry: (one) => [`log/${one.id}`, `Entry ${number(one.id)} · ${OUTCOMES.get(one.outcome) ?? one.outcome}`],
};

// What has the words that the item's own text lacks, and what that is.
function beside(item, words) {
  const own = folded(ownText(item));
  const lacking = words.filter((word) => !own.includes(word));
  const has = ([, text]) => text && lacking.some((word) => folded(text).includes(word));
  return OTHERS[item.kind](item).filter(has).slice(0, 3).map(([what, text]) => el("span", { class: "quiet" },
    `${what}: `, el("bdi", {}, excerpt(unmarked(text), words))));
}

function factsOf(item, words) {
  if (item.kind !== "entry" || !item.facts.length) return "";
  const facts = item.facts.map(factWords).join(" · ");
  return el("span", { class: "quiet", dir: "auto" }, marked(facts, places(facts, words)));
}
