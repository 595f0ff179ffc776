// The picture of activity: a bar for each day, week, month or year, depending on how long it was.

const DAY = 86400000;

// A day by its date, at midnight; Date itself takes the year 50 for 1950.
function midnight(year, month, day) {
  const date = new Date(2000, 0, 1);
  date.setFullYear(year, month, day);
  return date;
}

const UNITS = [
  {
    name: "day",
    most: 45,
    begin: (date) => midnight(date.getFullYear(), date.getMonth(), date.getDate()),
    next: (date) => midnight(date.getFullYear(), date.getMonth(), date.getDate() + 1),
    tell: (date) => told(date, "longDay"),
    label: (date) => told(date).replace(/ \d+$/, ""),
  },
  {
    name: "week",
    most: 400,
    begin: (date) => midnight(date.getFullYear(), date.getMonth(), date.getDate() - ((date.getDay() + 6) % 7)),
    next: (date) => midnight(date.getFullYear(), date.getMonth(), date.getDate() + 7),
    tell: (date) => `Week of ${told(date)}`,
    label: (date) => told(date).replace(/ \d+$/, ""),
  },
  {
    name: "month",
    most: 6000,
    begin: (date) => midnight(date.getFullYear(), date.getMonth(), 1),
    next: (date) => midnight(date.getFullYear(), date.getMonth() + 1, 1),
    tell: (date) => told(date, "month"),
    label: (date) => told(date, "shortMonth"),
  },
  {
    name: "year",
    most: Infinity,
    begin: (date) => midnight(date.getFullYear(), 0, 1),
    next: (date) => midnight(date.getFullYear() + 1, 0, 1),
    tell: (date) => String(date.getFullYear()),
    label: (date) => String(date.getFullYear()),
  },
];

// Every span from the first message to the last, those without any among them.
function spans() {
  const dated = messages.filter((message) => !Number.isNaN(message.at));
  if (!dated.length) return { unit: UNITS[0], found: [] };
  const [first, last] = [dated[0].at, dated.at(-1).at];
  const unit = UNITS.find(({ most }) => (last - first) / DAY <= most);
  const found = [];
  for (let begin = unit.begin(new Date(first)); begin <= last; begin = unit.next(begin)) {
    found.push({ begin, end: unit.next(begin), me: 0, bot: 0 });
  }
  let at = 0;
  for (const message of dated) {
    while (found[at].end <= message.at) at += 1;
    found[at][message.who] += 1;
  }
  return { unit, found };
}

function spanWords(span, unit) {
  const all = span.me + span.bot;
  if (!all) return `${unit.tell(span.begin)}: no messages`;
  return `${unit.tell(span.begin)}: ${count(all, "message")} (${number(span.me)} yours, ${count(span.bot, "answer")})`;
}

function spanPlace({ begin, end }) {
  const until = new Date(end.getTime() - DAY / 2);
  return placeOf({ ...ANYTHING, what: "message", from: dayOf(begin.getTime()), to: dayOf(until.getTime()) });
}

const HEIGHT = 190;
const FOOT = 24;
const SIDE = 34;

function activity() {
  const { unit, found } = spans();
  if (!found.length) return "";
  const figure = el("div", { class: "plot" });
  const caption = el("p", { class: "caption" });
  const busiest = found.reduce((one, other) => (one.me + one.bot >= other.me + other.bot ? one : other));
  const rest = () => caption.replaceChildren(`Busiest: ${spanWords(busiest, unit)}`);
  const show = (span) => caption.replaceChildren(spanWords(span, unit), " ",
    span.me + span.bot ? link(spanPlace(span), {}, "Read them") : "");
  rest();
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width) figure.replaceChildren(plot(found, unit, Math.floor(contentRect.width), show));
  }).observe(figure);
  return el("section", { class: "card activity", "aria-labelledby": "activity" },
    el("h2", { id: "activity" }, `Messages by ${unit.name}`),
    el("p", { class: "legend", "aria-hidden": "true" },
      el("span", { class: "me" }, "You"), el("span", { class: "bot" }, "Confidant")),
    figure, caption, asTable(found, unit));
}

function plot(found, unit, width, show) {
  const most = ceiling(Math.max(...found.map((span) => span.me + span.bot)));
  const each = (width - SIDE) / found.length;
  const scale = (HEIGHT - FOOT - 8) / most;
  const ground = HEIGHT - FOOT;
  const drawing = svg("svg", {
    width, height: HEIGHT, role: "img",
    "aria-label": `Messages by ${unit.name}, ${stretch(found[0].begin, messages.at(-1).at, { on: "on ", from: "from " })}. The figures are in the table below.`,
  });
  for (const level of most % 2 ? [most] : [most / 2, most]) {
    const y = ground - level * scale;
    drawing.append(svg("line", { class: "level", x1: SIDE, x2: width, y1: y, y2: y }),
      svg("text", { x: SIDE - 8, y: y + 4, "text-anchor": "end" }, number(level)));
  }
  found.forEach((span, at) => drawing.append(bar(span, SIDE + at * each, each, scale, ground, show)));
  drawing.append(svg("line", { class: "ground", x1: SIDE, x2: width, y1: ground, y2: ground }),
    ...labels(found, unit, each, width));
  return drawing;
}

// The next figure that reads well on the side: 1, 2, 4, 6, 10, 20, 40 …
function ceiling(value) {
  const tens = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 4, 6, 10].map((step) => step * tens).find((step) => step >= value);
}

function bar(span, x, each, scale, ground, show) {
  const gap = each > 8 ? Math.min(each * 0.25, 6) : each > 3 ? 1 : 0;
  const [mine, its] = [span.me * scale, span.bot * scale];
  const wide = Math.min(each - gap, 46);
  const left = x + (each - wide) / 2;
  const group = svg("g", { class: "span" },
    svg("rect", { class: "reach", x, y: 0, width: each, height: ground }),
    svg("rect", { class: "me", x: left, y: ground - mine, width: wide, height: mine }),
    svg("rect", { class: "bot", x: left, y: ground - mine - its, width: wide, height: its }));
  group.addEventListener("pointerenter", () => choose(group, span, show));
  group.addEventListener("click", () => choose(group, span, show));
  return group;
}

function choose(group, span, show) {
  group.parentNode.querySelector(".chosen")?.classList.remove("chosen");
  group.classList.add("chosen");
  show(span);
}

const LABEL = 84; // pixels that a label needs

// Each under the middle of its bar; the first of narrow ones begins with it, for it may not stick out.
function labels(found, unit, each, width) {
  const every = Math.ceil(LABEL / each);
  return found.flatMap((span, at) => {
    const middle = SIDE + (at + 0.5) * each;
    if (at % every || middle > width - 26) return [];
    const inside = at > 0 || each >= LABEL;
    return [svg("text", { x: middle, y: HEIGHT - 6, "text-anchor": inside ? "middle" : "start", dx: inside ? 0 : -each / 2 },
      unit.label(span.begin))];
  });
}

function asTable(found, unit) {
  const body = el("tbody");
  const whole = el("table", {},
    el("caption", { class: "unseen" }, `Messages by ${unit.name}`),
    el("thead", {}, el("tr", {}, ...["When", "You", "Confidant"].map((name) => el("th", { scope: "col" }, name)))),
    body);
  const row = (span) => el("tr", {},
    el("th", { scope: "row" }, link(spanPlace(span), {}, unit.tell(span.begin))),
    el("td", {}, number(span.me)), el("td", {}, number(span.bot)));
  const spoken = found.filter((span) => span.me + span.bot).reverse();
  return el("details", {}, el("summary", {}, "The same as a table"),
    paged(spoken, row, { list: body, whole }));
}
