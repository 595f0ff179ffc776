// The page itself: the address after # says what is shown, so that going back works.

const ANYTHING = { q: "", what: "", who: "", from: "", to: "", room: "" };
const content = document.getElementById("content");
const query = document.getElementById("query");
const filters = document.getElementById("filters");
const filtering = document.getElementById("filtering");
const controls = Object.fromEntries(Object.keys(ANYTHING)
  .map((name) => [name, name === "q" ? query : document.getElementById(name)]));

const VIEWS = new Map([
  ["overview", () => overviewView()],
  ["messages", () => messagesView()],
  ["conversation", (id) => messagesView(conversations[id - 1])],
  ["message", (id) => messagesView(messageById.get(id)?.conversation, messageById.get(id))],
  ["memories", () => memoriesView()],
  ["memory", (id) => memoriesView(memoryById.get(id))],
  ["log", (id) => logView(entryById.get(id))],
  ["settings", () => settingsView()],
]);
const PARTS = new Map([
  ["conversation", "messages"], ["message", "messages"], ["memory", "memories"], ["search", ""],
]);
const TARGETS = new Map([["message", "message"], ["memory", "memory"], ["log", "entry"]]);

let shown = "";
let before = "overview";
let followed = true;
let writing = 0;
const left = new Map();

function placeOf(asked) {
  const said = Object.entries(asked).filter(([, value]) => value);
  return said.length ? `search?${new URLSearchParams(said)}` : "";
}

function askedIn(place) {
  const said = new URLSearchParams(place.split("?").slice(1).join("?"));
  return Object.fromEntries(Object.entries(ANYTHING).map(([name, value]) => [name, said.get(name) ?? value]));
}

function askedHere() {
  return Object.fromEntries(Object.entries(controls).map(([name, control]) => [name, control.value]));
}

function here() {
  return location.hash.slice(1) || "overview";
}

// Draw what an address names; an address that names nothing is the overview's.
function show(place) {
  left.set(shown, scrollY);
  shown = place;
  const [view, id] = place.split("?")[0].split("/");
  const isSearch = view === "search";
  const draw = isSearch ? () => resultsView(askedIn(place)) : VIEWS.get(view) ?? VIEWS.get("overview");
  if (!isSearch) before = place;
  content.replaceChildren(...draw(Number(id)).flat(Infinity).filter(Boolean));
  content.dataset.view = isSearch ? "search" : view;
  for (const part of document.querySelectorAll(".parts a")) {
    const isCurrent = part.hash === `#${PARTS.get(view) ?? (VIEWS.has(view) ? view : "overview")}`;
    part.toggleAttribute("aria-current", isCurrent);
    if (isCurrent) part.setAttribute("aria-current", "page");
  }
  const title = content.querySelector("h1")?.textContent ?? "";
  document.title = `${title} · Your Confidant archive`;
  return content.querySelector(`#${TARGETS.get(view)}-${Number(id)}`);
}

// Come to an address by a link or by going back: to its beginning, its target, or where it was left.
function arrive() {
  const place = here();
  if (place === shown) return;
  fill(place.startsWith("search?") ? askedIn(place) : ANYTHING);
  const target = show(place);
  if (!followed) scrollTo({ top: left.get(place) ?? 0, behavior: "instant" });
  else if (target) target.scrollIntoView({ block: "center", behavior: "instant" });
  else scrollTo({ top: 0, behavior: "instant" });
  if (document.activeElement !== query || content.dataset.view !== "search") (target ?? content.querySelector("h1"))?.focus({ preventScroll: true });
  followed = false;
}

function fill(asked) {
  for (const [name, control] of Object.entries(controls)) {
    if (control.value !== asked[name]) control.value = asked[name];
  }
  tellFilters();
}

function tellFilters() {
  const { q, ...rest } = askedHere();
  const active = Object.values(rest).filter(Boolean).length;
  filtering.textContent = active ? `Filters (${active})` : "Filters";
  if (active) open(true);
}

function open(isOpen) {
  filters.hidden = !isOpen;
  filtering.setAttribute("aria-expanded", String(isOpen));
}

// While somebody types the results are drawn at once, and the address follows when they pause.
function typed() {
  tellFilters();
  show(placeOf(askedHere()) || before);
  scrollTo({ top: 0, behavior: "instant" });
  clearTimeout(writing);
  if (here().startsWith("search?") || !shown.startsWith("search?")) writing = setTimeout(written, 300);
  else written();
}

function written() {
  clearTimeout(writing);
  if (shown === here()) return;
  if (here().startsWith("search?")) location.replace(`#${shown}`);
  else location.hash = shown;
}

function clear() {
  fill(ANYTHING);
  open(false);
  typed();
}

function move(step) {
  const results = [...content.querySelectorAll(".result")];
  const next = results[results.indexOf(document.activeElement) + step];
  if (next) next.focus();
  else if (step < 0) query.focus();
}

const KEYS = {
  "/": (event) => {
    if (event.target.closest("input, select, textarea")) return false;
    query.focus();
    query.select();
    return true;
  },
  Escape: () => {
    if (document.activeElement !== query && content.dataset.view === "search") query.focus();
    else if (placeOf(askedHere())) clear();
    else query.blur();
    return true;
  },
  ArrowDown: (event) => isAmongResults(event.target) && (move(1), true),
  ArrowUp: (event) => isAmongResults(event.target) && event.target !== query && (move(-1), true),
  Enter: (event) => event.target === query && (content.querySelector(".result")?.click(), true),
};

function isAmongResults(element) {
  return content.dataset.view === "search" && (element === query || element.matches(".result"));
}

addEventListener("keydown", (event) => {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;
  if (isPlain && Object.hasOwn(KEYS, event.key) && KEYS[event.key](event)) event.preventDefault();
});

addEventListener("click", (event) => {
  const followedLink = event.target.closest("a");
  if (!followedLink) return;
  if (followedLink.hash === "#skip") {
    event.preventDefault();
    content.focus();
    return;
  }
  written();
  followed = true;
  if (followedLink.hash.slice(1) === here()) show(here())?.scrollIntoView({ block: "center" });
});

addEventListener("hashchange", arrive);
for (const control of Object.values(controls)) control.addEventListener("input", typed);
filters.addEventListener("submit", (event) => event.preventDefault());
filtering.addEventListener("click", () => open(filters.hidden));
document.getElementById("clear").addEventListener("click", clear);

const theme = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
dark.addEventListener("change", nameTheme);
nameTheme();

const header = document.querySelector(".top");
new ResizeObserver(() => document.documentElement.style.setProperty("--top", `${header.offsetHeight}px`)).observe(header);

controls.room.append(...rooms.map((room) => el("option", { value: room.number, title: room.id }, room.name)));
document.getElementById("zone").textContent = `Times are those of your time zone, ${ZONE}.`;
history.scrollRestoration = "manual";
arrive();
